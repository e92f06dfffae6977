//! One program under test on a TCP connection, or a TLS server with it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::chain::{Chain, Server};
use acceptance::connected::Connected;
use acceptance::peer::{Peer, trust};
use acceptance::processes::{await_no_more_than, of_group};
use anyhow::{Context, Result, ensure};
use rustls::ClientConfig;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};

/// The session, and the client's end of its connection.
pub(crate) struct Session {
    running: Running,
    pub(crate) peer: Peer,
}

/// What there is for the client.
enum Running {
    Program(Connected),
    /// The server, its log, and how long that was before.
    Service(Service, PathBuf, usize),
}

/// How a session ended.
pub(crate) struct Ended {
    /// The exit code; none where a signal ended it. A TLS server's is not told apart from
    /// that of its own end, which is good.
    pub(crate) code: Option<i32>,
    /// All that it wrote on standard error.
    pub(crate) log: String,
}

impl Session {
    /// Runs `words` with a client on descriptors 0 and 1.
    pub(crate) fn start(chain: &Chain<'_>, words: &[&str]) -> Result<Self> {
        let (name, arguments) = words.split_first().context("nothing to run")?;
        let mut command = chain.command(name);
        command.args(arguments);
        Self::of(chain, command)
    }

    /// The same with a command that is made already.
    pub(crate) fn of(chain: &Chain<'_>, mut command: Command) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = chain.path("client").join(format!("session-{number}.log"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let ours = TcpStream::connect(listener.local_addr()?)?;
        let theirs = listener.accept()?.0;
        // As tlsserver has it: nothing waits for our acknowledgements.
        theirs.set_nodelay(true)?;
        command.env("TCPREMOTEIP", "192.0.2.7").env("PROTO", "TCP");
        let program = Connected::start(&mut command, theirs.into(), log)?;
        FIGURES.sessions(1);
        Ok(Self { running: Running::Program(program), peer: Peer::over(ours)? })
    }

    /// The only session of a TLS server whose log was so long before.
    pub(crate) fn within(service: Service, log: PathBuf, logged: usize, peer: Peer) -> Self {
        Self { running: Running::Service(service, log, logged), peer }
    }

    /// The first of its processes, and the number of their group.
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Program(program) => program.pid(),
            Running::Service(service, ..) => service.server.pid(),
        }
    }

    /// The client closes its connection; the session must end by itself, and nobody may
    /// be left of it.
    pub(crate) fn over(self) -> Result<Ended> {
        let Self { running, peer } = self;
        drop(peer);
        running.ends()
    }

    /// The same with a client that is gone without a word.
    pub(crate) fn vanishes(self) -> Result<Ended> {
        let Self { running, peer } = self;
        peer.stream.reset()?;
        running.ends()
    }
}

impl Running {
    fn ends(self) -> Result<Ended> {
        let ended = match self {
            Self::Program(program) => {
                let (status, log) = program.ends()?;
                FIGURES.add(Kind::LeftBehind, 1, 0);
                Ended { code: status.code(), log }
            }
            Self::Service(service, log, logged) => {
                service.over()?;
                let log = fs::read(log)?.split_off(logged);
                Ended { code: Some(0), log: String::from_utf8_lossy(&log).into_owned() }
            }
        };
        ensure!(!ended.log.contains("panicked"), "it panicked:\n{}", ended.log);
        Ok(ended)
    }
}

/// A listening server whose sessions are looked over.
pub(crate) struct Service {
    pub(crate) server: Server,
    /// By which its clients come, and what they speak.
    door: Door,
    pub(crate) protocol: String,
    /// What they trust.
    pub(crate) trust: Arc<ClientConfig>,
    /// Those of its processes that are there without a session.
    own: BTreeSet<u32>,
}

impl Service {
    pub(crate) fn new(
        chain: &Chain<'_>,
        server: Server,
        door: Door,
        protocol: &str,
    ) -> Result<Self> {
        let own = of_group(server.pid()).into_iter().map(|process| process.pid).collect();
        Ok(Self { server, door, protocol: protocol.to_owned(), trust: trust(chain)?, own })
    }

    /// A client of it, up to where the dialog awaits its words.
    pub(crate) fn knock(&self) -> Result<Peer> {
        self.door.knock(self)
    }

    /// Waits until none of its sessions has a process left.
    pub(crate) fn is_idle(&self) -> Result<()> {
        await_no_more_than(self.server.pid(), &self.own)?;
        FIGURES.add(Kind::LeftBehind, 1, 0);
        Ok(())
    }

    /// Its sessions are over; it is told to end, and nobody is left.
    pub(crate) fn over(mut self) -> Result<()> {
        self.is_idle()?;
        self.server.stop()?;
        await_no_more_than(self.server.pid(), &BTreeSet::new())
    }
}
