//! What is measured, one file for each part; `make bench ONLY=part` runs one of them.

pub(crate) mod failures;
pub(crate) mod growth;
pub(crate) mod idle;
pub(crate) mod imap;
pub(crate) mod logged_in;
pub(crate) mod sessions;
pub(crate) mod startup;
pub(crate) mod throughput;

use rustls::ClientConfig;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Conversation, Security, client_config};
use crate::processes::time_of_ended_children;
use crate::report::results::Results;
use crate::servers::{Chain, Contestant, Door, Offer, Programs, Running, Setup, workshop};
use crate::service::Protocol;
use test_support::folder::Folder;

/// Names that more than one part uses, or a goal.
pub(crate) const BARE: &str = "bare server, tcpserver";
pub(crate) const FIXSMTPIO: &str = "fixsmtpio, bare server";
pub(crate) const SUBMISSION: &str = "tlsserver, submission chain";
pub(crate) const TLSSERVER_AUTHUP: &str = "tlsserver, authup";
pub(crate) const LOGIN: &str = "tlsserver --login";
pub(crate) const LOGIN_SUBMISSION: &str = "tlsserver --login, submission chain";
pub(crate) const LOGIN_POP3: &str = "tlsserver --login, POP3 chain";
pub(crate) const LOGIN_IMAP: &str = "tlsserver --login, IMAP chain";
pub(crate) const LOGIN_FIXIMAPIO: &str = "tlsserver --login, IMAP chain with fiximapio";
pub(crate) const DOVECOT_PROXY: &str = "Dovecot's imap-login as a proxy";
pub(crate) const TLSSERVER_BARE: &str = "tlsserver, bare server";
pub(crate) const NGINX: &str = "nginx mail proxy";
pub(crate) const TLSWRAPPER: &str = "tlswrapper";
pub(crate) const DOVECOT: &str = "Dovecot";

/// What every part needs.
pub(crate) struct Bench {
    pub(crate) workshop: Folder,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) results: Results,
    pub(crate) effort: Effort,
    /// Where what is written and kept goes.
    pub(crate) output: PathBuf,
}

/// How much time is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// For the rate of many clients.
    pub(crate) many: Duration,
    /// For the median time of a few.
    pub(crate) few: Duration,
    /// Divides the largest sizes.
    pub(crate) divisor: usize,
}

impl Effort {
    pub(crate) const WHOLE: Self = Self {
        rounds: 5,
        many: Duration::from_millis(1000),
        few: Duration::from_millis(500),
        divisor: 1,
    };
    /// Only shows that everything works.
    pub(crate) const QUICK: Self = Self {
        rounds: 2,
        many: Duration::from_millis(200),
        few: Duration::from_millis(100),
        divisor: 10,
    };
}

impl Bench {
    pub(crate) fn new(effort: Effort, quick: bool, output: PathBuf) -> io::Result<Self> {
        let (workshop, config) = (workshop()?, client_config()?);
        Ok(Self { workshop, config, results: Results::new(quick), effort, output })
    }

    /// Starts those that can be, and that were given.
    fn start(&mut self, table: &str, contestants: &[Contestant]) -> Vec<Started> {
        let mut started = Vec::new();
        for contestant in contestants {
            if matches!(contestant.1, Setup::Chain(_, _, programs) if !programs.are_here()) {
                continue;
            }
            match contestant.start(&self.workshop) {
                Ok(running) => started.push(Started { name: contestant.0, running }),
                Err(reason) => self.results.miss(table, contestant.0, &reason.to_string()),
            }
        }
        started
    }
}

/// A contestant that runs.
struct Started {
    name: &'static str,
    running: Running,
}

impl Started {
    /// Ends it; the processor time of all its processes, milliseconds.
    fn end(self) -> io::Result<f64> {
        let before = time_of_ended_children()?;
        drop(self.running);
        let spent = time_of_ended_children()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e3)
    }
}

/// The order in which so many are measured in this round: each comes first in turn.
fn rotated(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| (index + round) % count)
}

const fn ours(name: &'static str, door: Door, chain: Chain) -> Contestant {
    Contestant(name, Setup::Chain(door, chain, Programs::Ours))
}

const fn c(name: &'static str, chain: Chain) -> Contestant {
    Contestant(name, Setup::Chain(Door::Tcpserver, chain, Programs::C))
}

const fn nginx(protocol: Protocol, tls: bool, login: bool) -> Contestant {
    Contestant(NGINX, Setup::Nginx(Offer { protocol, tls, login }))
}

const fn dovecot(protocol: Protocol) -> Contestant {
    Contestant(DOVECOT, Setup::Dovecot(protocol))
}

const fn pop3(security: Security) -> Conversation {
    Conversation { protocol: Protocol::Pop3, security, login: true, message: 1 }
}

/// By STARTTLS; fetches so many octets.
const fn imap(octets: usize) -> Conversation {
    let (protocol, security) = (Protocol::Imap, Security::Start);
    Conversation { protocol, security, login: true, message: octets }
}

const fn smtp(security: Security, login: bool, message: usize) -> Conversation {
    Conversation { protocol: Protocol::Smtp, security, login, message }
}
