//! The services that there are: names, ports, what is spoken, and when TLS begins. How each is
//! run is [`init`](crate::init)'s; what clients are told of it is
//! [`client_settings`](crate::client_settings)'.

use proto::login::protocol::Protocol;

/// A service: a port, what is spoken there, and when TLS begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The folder's name under `service/`.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// Its usual port.
    pub(crate) port: u16,
    /// TLS begins when the client asks for it; else with the first octet.
    pub(crate) delayed: bool,
    /// What it is for.
    pub(crate) chain: Chain,
}

/// What a service is for, and so what stands behind its server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chain {
    /// Users' own mail, by SMTP.
    Submission,
    /// Mail of other servers.
    Incoming,
    /// Users fetch mail by POP3.
    Pop3,
    /// Users read mail by IMAP.
    Imap,
}

impl Chain {
    /// What is spoken until somebody logs in, where somebody must.
    pub(crate) const fn login(self) -> Option<Protocol> {
        match self {
            Self::Submission => Some(Protocol::Smtp),
            Self::Incoming => None,
            Self::Pop3 => Some(Protocol::Pop3),
            Self::Imap => Some(Protocol::Imap),
        }
    }
}

/// Where the run script of the service of this name is, below the folder of its control files.
pub(crate) fn script_of(name: &str) -> String {
    format!("service/{name}/run")
}

/// All of them.
pub(crate) const SERVICES: [Service; 7] = [
    Service {
        name: "submission",
        about: "Submission with STARTTLS",
        port: 587,
        delayed: true,
        chain: Chain::Submission,
    },
    Service {
        name: "submissions",
        about: "Submission with TLS from the first octet",
        port: 465,
        delayed: false,
        chain: Chain::Submission,
    },
    Service {
        name: "smtp",
        about: "Incoming mail, with STARTTLS for those who want it",
        port: 25,
        delayed: true,
        chain: Chain::Incoming,
    },
    Service { name: "pop3", about: "POP3 with STLS", port: 110, delayed: true, chain: Chain::Pop3 },
    Service {
        name: "pop3s",
        about: "POP3 with TLS from the first octet",
        port: 995,
        delayed: false,
        chain: Chain::Pop3,
    },
    Service {
        name: "imap",
        about: "IMAP with STARTTLS",
        port: 143,
        delayed: true,
        chain: Chain::Imap,
    },
    Service {
        name: "imaps",
        about: "IMAP with TLS from the first octet",
        port: 993,
        delayed: false,
        chain: Chain::Imap,
    },
];

impl Service {
    /// Whether users' clients speak to it, and not other servers.
    pub(crate) const fn is_for_users(&self) -> bool {
        self.chain.login().is_some()
    }

    /// What clients are told of it.
    pub(crate) const fn offer(&self) -> Offer {
        Offer { name: self.name, port: self.port, at_once: !self.delayed }
    }
}

/// A service that clients use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its name: submission, pop3s, ...
    pub(crate) name: &'static str,
    /// Its usual port.
    pub(crate) port: u16,
    /// TLS begins with the first octet; else when the client asks.
    pub(crate) at_once: bool,
}
