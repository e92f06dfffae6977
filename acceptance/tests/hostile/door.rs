//! Where clients meet the login dialog: authup talks to them, or a TLS server does. What comes of
//! an attack must be the same at every door.

use acceptance::chain::Chain;
use acceptance::peer::{Peer, connect};
use acceptance::programs::Programs;
use anyhow::{Context, Result};

use crate::figures::FIGURES;
use crate::session::{Service, Session};
use crate::{as_run, words};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// authup on the client's connection, in the clear.
    Alone,
    /// tlsserver -n, with a client that does not ask for TLS.
    Clear,
    /// The same with a client that does.
    Starttls,
    /// tlsserver -n --login, before TLS.
    LoginBeforeTls,
    /// The same within TLS.
    Login,
    /// tlsserver --login, with TLS from the first octet.
    LoginAtOnce,
}

/// How a server's first line begins.
fn greeting(protocol: &str) -> &'static str {
    match protocol {
        "smtp" => "220 ",
        "pop3" => "+OK ",
        _ => "* OK [CAPABILITY IMAP4rev1 ",
    }
}

impl Door {
    /// Those with a login behind them, each its own way of talking until then.
    pub(crate) const WITH_A_LOGIN: [Self; 3] = [Self::Alone, Self::Login, Self::LoginAtOnce];
    /// Those at which the client logs in within TLS.
    pub(crate) const WITHIN_TLS: [Self; 3] = [Self::Starttls, Self::Login, Self::LoginAtOnce];
    /// Those of a TLS server that talks itself.
    pub(crate) const OF_AN_ENGINE: [Self; 3] =
        [Self::LoginBeforeTls, Self::Login, Self::LoginAtOnce];

    /// The same at each of these, with a chain of its own there.
    pub(crate) fn each(
        doors: &[Self],
        programs: &Programs,
        test: impl Fn(&Chain<'_>, Self) -> Result<()>,
    ) -> Result<()> {
        doors.iter().try_for_each(|&door| {
            test(&as_run(programs)?, door).with_context(|| format!("{door:?}"))
        })
    }

    pub(crate) const fn has_engine(self) -> bool {
        matches!(self, Self::LoginBeforeTls | Self::Login | Self::LoginAtOnce)
    }

    /// The TLS server, with `command` behind it, and room for all who come.
    pub(crate) fn service(
        self,
        chain: &Chain<'_>,
        protocol: &str,
        command: &[impl AsRef<str>],
    ) -> Result<Service> {
        self.service_for("10000", chain, protocol, command)
    }

    /// The same with room for so many.
    pub(crate) fn service_for(
        self,
        limit: &str,
        chain: &Chain<'_>,
        protocol: &str,
        command: &[impl AsRef<str>],
    ) -> Result<Service> {
        let mut options = if self == Self::LoginAtOnce { vec![] } else { vec!["-n"] };
        if self.has_engine() {
            options.extend(["--login", protocol]);
        }
        options.extend(["-c", limit]);
        let level = if self == Self::Clear { "" } else { "!" };
        let (own, behind) = self.behind(protocol, words(command));
        options.extend(own);
        Service::new(chain, chain.tlsserver(&options, level, &behind)?, self, protocol)
    }

    /// What is behind the dialog in a command that begins with authup, where an engine holds
    /// it; and what authup's options are there.
    pub(crate) fn behind<'a>(
        self,
        protocol: &str,
        command: Vec<&'a str>,
    ) -> (Vec<&'a str>, Vec<&'a str>) {
        let Some(at) = command.iter().position(|word| *word == protocol) else {
            return (vec![], command);
        };
        if !self.has_engine() || command.first() != Some(&"authup") {
            return (vec![], command);
        }
        let own = command[1..at].iter().map(|word| if *word == "-t" { "--tries" } else { word });
        (own.collect(), command[at + 1..].to_vec())
    }

    /// A client that comes to the TLS server, up to where the dialog awaits its words: it
    /// has had the greeting.
    pub(crate) fn knock(self, service: &Service) -> Result<Peer> {
        let Service { server, protocol, trust, .. } = service;
        let (asks, ready) = match protocol.as_str() {
            "smtp" => ("STARTTLS", "220 Ready"),
            "pop3" => ("STLS", "+OK starting TLS"),
            _ => ("s STARTTLS", "s OK Begin"),
        };
        let greeting = greeting(protocol);
        FIGURES.sessions(1);
        let mut peer = connect(server)?;
        if self == Self::LoginAtOnce {
            peer = peer.secure(trust)?;
        }
        peer.hear(greeting)?;
        if matches!(self, Self::Starttls | Self::Login) {
            peer.ask(asks, ready)?;
            peer = peer.secure(trust)?;
        }
        Ok(peer)
    }

    /// One client and all that is there for it, up to the same point.
    pub(crate) fn session(
        self,
        chain: &Chain<'_>,
        protocol: &str,
        command: &[impl AsRef<str>],
    ) -> Result<Session> {
        if self == Self::Alone {
            let mut session = Session::start(chain, &words(command))?;
            session.peer.hear(greeting(protocol))?;
            return Ok(session);
        }
        let logged = chain.log().len();
        let service = self.service(chain, protocol, command)?;
        let peer = service.knock()?;
        Ok(Session::within(service, chain.path("server.log"), logged, peer))
    }
}
