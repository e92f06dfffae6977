//! A server that says its port on standard output once it is ready.

use crate::log::Log;
use crate::run::{Master, OwnChild};
use crate::wait::for_end;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A port of 127.0.0.1 that was free a moment ago, for who cannot say which one it took.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Has HAProxy, which this command runs or passes on to, serve by this configuration, until this
/// is dropped.
#[track_caller]
pub fn haproxy(command: &mut Command, configuration: &Path) -> Master {
    Master::start(command.args(["-W", "-db", "-f"]).arg(configuration), "Loading success")
}

/// One that runs, until this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub child: OwnChild,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts it. What it logs goes where the command says.
    ///
    /// # Errors
    /// When it cannot be started, or says no port.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        // The command would keep the log open.
        command.stderr(Stdio::null());
        let failed = |why: &str| io::Error::other(format!("{:?}: {why}", command.get_program()));
        let mut child = child.map_err(|error| failed(&error.to_string()))?;
        let said = child.stdout.take().map(Log::of).and_then(|said| said.first());
        let mut server = Self { child: OwnChild(child), port: 0 };
        let said = said.unwrap_or_default();
        server.port = said.trim().parse().map_err(|_| failed(&format!("no port but {said:?}")))?;
        Ok(server)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// The system's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Asks it to end when its connections have, and waits for that.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        Ok(for_end(&mut self.child))
    }
}
