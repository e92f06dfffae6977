//! One program under test on a TCP connection, in a process group of its own, so that
//! all of its processes can be found, however many it has; or a TLS server with it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use acceptance::chain::{Chain, Server};
use acceptance::channel::WATCHDOG;
use acceptance::processes::{await_end, await_no_more_than, of_group};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::door::Stream;
use crate::figures::{FIGURES, Kind};
use crate::peer::Peer;

/// The session, and the client's end of its connection.
pub(crate) struct Session {
    running: Running,
    pub(crate) peer: Peer<Stream>,
}

/// What there is for the client.
enum Running {
    Program(Program),
    /// The server, its log, and how long that was before.
    Service(Service, PathBuf, usize),
}

/// The first process of the group; all of them are killed if a test fails.
struct Program {
    child: Child,
    log: PathBuf,
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
        let theirs: OwnedFd = theirs.into();
        command.stdin(theirs.try_clone()?).stdout(theirs).stderr(File::create(&log)?);
        command.env("TCPREMOTEIP", "192.0.2.7").env("PROTO", "TCP").process_group(0);
        let child = command.spawn().with_context(|| format!("{:?}", command.get_program()))?;
        FIGURES.sessions(1);
        let running = Running::Program(Program { child, log });
        let stream = Stream::Clear(Peer::over(ours)?.stream);
        Ok(Self { running, peer: Peer { stream } })
    }

    /// The only session of a TLS server whose log was so long before.
    pub(crate) fn within(
        service: Service,
        log: PathBuf,
        logged: usize,
        peer: Peer<Stream>,
    ) -> Self {
        Self { running: Running::Service(service, log, logged), peer }
    }

    /// The first of its processes, and the number of their group.
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Program(program) => program.child.id(),
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
        peer.vanish()?;
        running.ends()
    }
}

impl Running {
    fn ends(self) -> Result<Ended> {
        let ended = match self {
            Self::Program(program) => program.ends()?,
            Self::Service(service, log, logged) => {
                service.is_idle()?;
                service.over()?;
                let log = fs::read(log)?.split_off(logged);
                Ended { code: Some(0), log: String::from_utf8_lossy(&log).into_owned() }
            }
        };
        ensure!(!ended.log.contains("panicked"), "it panicked:\n{}", ended.log);
        Ok(ended)
    }
}

impl Program {
    fn ends(mut self) -> Result<Ended> {
        let group = self.child.id();
        await_end(group, Instant::now() + WATCHDOG)?;
        let status = self.child.wait()?;
        await_no_more_than(group, &BTreeSet::new())?;
        FIGURES.add(Kind::LeftBehind, 1, 0);
        let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        Ok(Ended { code: status.code(), log })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // A failed test's: ours to end, with all that it started.
            let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _status = self.child.wait();
        }
    }
}

/// A listening server whose sessions are looked over.
pub(crate) struct Service {
    pub(crate) server: Server,
    /// Those of its processes that are there without a session.
    own: BTreeSet<u32>,
}

impl Service {
    pub(crate) fn new(server: Server) -> Self {
        let own = of_group(server.pid()).into_iter().map(|process| process.pid).collect();
        Self { server, own }
    }

    /// Waits until none of its sessions has a process left.
    pub(crate) fn is_idle(&self) -> Result<()> {
        await_no_more_than(self.server.pid(), &self.own)?;
        FIGURES.add(Kind::LeftBehind, 1, 0);
        Ok(())
    }

    /// It is told to end, its sessions do, and nobody is left.
    pub(crate) fn over(mut self) -> Result<()> {
        self.server.stop()?;
        await_no_more_than(self.server.pid(), &BTreeSet::new())
    }
}
