//! The servers, each as its own documentation has it, on ephemeral loopback ports.
//!
//! What is here starts and ends them; `chains` has what runs under tcpserver, our
//! tlsserver and tlswrapper, `nginx` and `dovecot` have those two.

mod chains;
mod dovecot;
mod nginx;
mod workshop;

use std::io;
use std::net::TcpStream;
use std::process::{Command, Stdio};

pub(crate) use chains::{Chain, Door, Programs};
pub(crate) use workshop::{RULES, workshop};

use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use test_support::folder::Folder;
use test_support::run::OwnChild;
use test_support::server::Server as Listening;

use crate::service::Protocol;
use test_support::process::descendants;
use test_support::wait::{is_gone, until};

/// Connections that each server takes at a time; more than any part holds.
const LIMIT: &str = "12000";
/// Connections that may wait to be accepted.
const BACKLOG: &str = "4096";

/// One way to serve mail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setup {
    /// Programs that one server starts for each connection.
    Chain(Door, Chain, Programs),
    /// nginx's mail proxy in front of the bare server.
    Nginx(Offer),
    /// Dovecot's login, and submission in front of the bare server, or POP3 or IMAP.
    Dovecot(Protocol),
    /// Dovecot's login for IMAP in front of the bare server.
    DovecotProxy,
}

/// What a mail proxy offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) protocol: Protocol,
    /// Whether by STARTTLS or STLS.
    pub(crate) tls: bool,
    /// Whether the client has to log in.
    pub(crate) login: bool,
}

/// A name for a row, and what it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contestant(pub(crate) &'static str, pub(crate) Setup);

impl Contestant {
    pub(crate) fn start(&self, workshop: &Folder) -> io::Result<Running> {
        match self.1 {
            Setup::Chain(door, chain, programs) => {
                chains::start(workshop, door, chain, programs).map(Running::alone)
            }
            Setup::Nginx(offer) => nginx::start(workshop, offer),
            Setup::Dovecot(protocol) => dovecot::start(workshop, protocol),
            Setup::DovecotProxy => dovecot::proxy(workshop),
        }
    }
}

/// A contestant that runs, until this is dropped.
pub(crate) struct Running {
    /// The one that clients talk to is first; the others are behind it.
    servers: Vec<Server>,
}

impl Running {
    fn alone(server: Server) -> Self {
        Self { servers: vec![server] }
    }

    pub(crate) fn port(&self) -> u16 {
        self.servers.first().map(|server| server.0.port).unwrap_or_default()
    }

    /// The processes whose children, and theirs, serve.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(|server| server.0.pid()).collect()
    }
}

/// A server that runs, until this is dropped.
struct Server(Listening);

impl Server {
    /// Starts what says its port on standard output once it is ready.
    fn saying_its_port(command: &mut Command) -> io::Result<Self> {
        Ok(Self(Listening::start(command.stderr(Stdio::null()))?))
    }

    /// Starts what was told its port, and waits until it listens.
    fn told_its_port(command: &mut Command, port: u16) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self(Listening { child: OwnChild(child.spawn()?), port });
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        let look = || (listens(), server.0.child.try_wait().is_ok_and(|ended| ended.is_none()));
        let (listens, _) = until("port", look, |(listens, runs)| *listens || !runs);
        if listens { Ok(server) } else { Err(io::Error::other("it did not start")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let below = descendants(&[self.0.pid()]);
        // By TERM, so that what has workers ends them.
        let _ = self.0.signal(Signal::TERM);
        let _ = is_gone(self.0.pid()) || self.0.child.kill().is_ok();
        let _ = self.0.child.wait();
        // Whoever stays behind it, as tlsserver's monitor does, has become our child: who
        // is not waited for is not counted.
        for pid in below.into_iter().filter(|pid| is_gone(*pid)) {
            let _ = waitpid(Pid::from_raw(pid.cast_signed()), WaitOptions::NOHANG);
        }
    }
}
