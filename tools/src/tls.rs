//! What authup and fixsmtpio both make of the environment that a TLS server and an
//! administrator gave them.

use proto::names::Variable;
use proto::ucspi_tls::{Fact, Tls, is_fact_name};
use std::io;
use std::os::fd::BorrowedFd;
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
        let ucspitls = environment.take(Variable::UcspiTls);
        let disabled = environment.take(Variable::DisableTls).is_some();
        let has_control = environment.has(Variable::SslCtlFd);
        let interface = Interface::inherited(environment);
        let implicit = match &interface {
            Err(Unavailable::Begun) => true,
            _ => !has_control && environment.has(Variable::SslProtocol),
        };
        if has_control && !implicit {
            // Inherited from whoever started the TLS server; they prove nothing.
            environment.take_all(is_fact_name);
        }
        Self { level: Tls::from_environment(disabled, ucspitls.as_deref(), implicit), interface }
    }

    /// Whether TLS can start now; why not.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.interface {
            Ok(interface) => interface.check().map_err(|closed| closed.to_string()),
            Err(missing) => Err(missing.to_string()),
        }
    }

    /// The descriptors that it takes to start TLS.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.interface.iter().flat_map(Interface::descriptors).collect()
    }

    /// Starts TLS, once; what the TLS server reports.
    pub(crate) fn start(&mut self) -> io::Result<Vec<Fact>> {
        self.interface()?.start()
    }

    /// Follows another process that has started TLS, once.
    pub(crate) fn follow(&mut self) -> io::Result<()> {
        self.interface()?.put_in_place()
    }

    fn interface(&mut self) -> io::Result<Interface> {
        std::mem::replace(&mut self.interface, Err(Unavailable::Begun))
            .map_err(|_| io::ErrorKind::NotConnected.into())
    }
}

/// Puts what the TLS server reported into the environment.
pub(crate) fn report(facts: &[Fact], environment: &mut Environment) {
    for fact in facts {
        environment.set_named(&fact.name, fact.value.as_deref());
    }
}
