//! What authup and fixsmtpio both make of the environment that a TLS server and an
//! administrator gave them.

use proto::ucspi_tls::{Tls, is_fact_name};
use std::io;
use unix::environment::Environment;
use unix::ucspi_tls::{Interface, Unavailable};

/// TLS at the start of a connection.
#[derive(Debug)]
pub(crate) struct Offer {
    /// What the client may have.
    pub(crate) level: Tls,
    /// What it takes to start it; where that is missing, why.
    interface: Result<Interface, Unavailable>,
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

    /// Whether TLS can start now; why not.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.interface {
            Ok(interface) => interface.check().map_err(|closed| closed.to_string()),
            Err(missing) => Err(missing.to_string()),
        }
    }

    /// Starts TLS, once, and puts what the TLS server reports into the environment.
    pub(crate) fn start(&mut self, environment: &mut Environment) -> io::Result<()> {
        let used = Err(Unavailable::ControlClosed);
        let Ok(interface) = std::mem::replace(&mut self.interface, used) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        for fact in interface.start()? {
            environment.set(&fact.name, fact.value.as_deref());
        }
        Ok(())
    }
}
