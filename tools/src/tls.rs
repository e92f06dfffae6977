//! What authup and fixsmtpio both make of the environment that a TLS server and an
//! administrator gave them.

use proto::ucspi_tls::{Tls, is_fact_name};
use unix::environment::Environment;
use unix::ucspi_tls::{Interface, Unavailable};

/// TLS at the start of a connection.
#[derive(Debug)]
pub(crate) struct Offer {
    /// What the client may have.
    pub(crate) level: Tls,
    /// What it takes to start it; where that is missing, why.
    pub(crate) interface: Result<Interface, Unavailable>,
}

impl Offer {
    /// Takes all that concerns TLS out of the environment: no child is to see what
    /// is not for it, nor a fact that does not hold.
    pub(crate) fn take(environment: &mut Environment) -> Self {
        let ucspitls = environment.take("UCSPITLS");
        let disabled = environment.take("DISABLETLS").is_some();
        let delayed = environment.has(b"SSLCTLFD");
        let interface = Interface::inherited(environment);
        if delayed {
            // Inherited from whoever started the TLS server; they prove nothing.
            environment.take_all(is_fact_name);
        }
        let implicit = !delayed && environment.has(b"SSL_PROTOCOL");
        Self { level: Tls::from_environment(disabled, ucspitls.as_deref(), implicit), interface }
    }
}
