//! A server that says its port on standard output once it is ready.

use crate::log::Log;
use crate::run::{Master, OwnChild};
use crate::wait::for_end;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// A port of 127.0.0.1, for a server that cannot say which one it took. As long as this lives
/// the system gives it to nobody who asks for any; who asks for this one, with `SO_REUSEADDR` as
/// servers do, can listen there.
#[derive(Debug)]
pub struct FreePort {
    /// Its number.
    pub number: u16,
    _held: OwnedFd,
}

/// One that is free.
#[must_use]
pub fn free_port() -> FreePort {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_reuseaddr(&held, true).unwrap();
    bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = SocketAddr::try_from(getsockname(&held).unwrap()).unwrap();
    FreePort { number: address.port(), _held: held }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_free_port_is_one_server_s_and_nobody_else_s() {
        let port = free_port();
        let address = ("127.0.0.1", port.number);
        assert!(TcpStream::connect(address).is_err());
        let server = TcpListener::bind(address).unwrap();
        assert!(TcpStream::connect(address).is_ok());
        drop(server);
        assert!(TcpListener::bind(address).is_ok());
    }
}
