//! What a service tells its supervisor of itself, as sd_notify(3) describes it: a datagram
//! to the socket that `NOTIFY_SOCKET` names.
//!
//! Nobody is waited for: what a supervisor does not take at once is lost.

use crate::environment::inherited;
use proto::names::Variable;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It serves; or a reload is done, however it went.
    Ready,
    /// It reads again what it reads at its start.
    Reloading,
    /// It takes nothing new.
    Stopping,
}

/// The supervisor, if it wants to hear.
#[derive(Debug)]
pub struct Supervisor(Option<(UnixDatagram, SocketAddr)>);

impl Supervisor {
    /// The one that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(inherited(Variable::NotifySocket).and_then(|name| connect(name.as_bytes())))
    }

    /// Tells it.
    pub fn notify(&self, state: State) {
        let Some((socket, address)) = &self.0 else { return };
        let text = match state {
            State::Ready => "READY=1\n".to_owned(),
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", microseconds()),
            State::Stopping => "STOPPING=1\n".to_owned(),
        };
        let _ = socket.send_to_addr(text.as_bytes(), address);
    }
}

fn connect(name: &[u8]) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name),
        // Elsewhere a socket's name is a file's.
        #[cfg(not(target_os = "linux"))]
        Some(_) => return None,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}

/// On the monotonic clock.
fn microseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(now.tv_nsec.unsigned_abs() / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut octets = [0; 100];
        let count = socket.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    }

    #[test]
    fn a_supervisor_hears_by_either_kind_of_name() {
        let name = format!("notify-test-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let at_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let abstractly = UnixDatagram::bind_addr(&address).unwrap();
        for (name, socket) in [
            (path.as_os_str().as_bytes().to_vec(), at_path),
            (format!("@{name}").into(), abstractly),
        ] {
            let supervisor = Supervisor(connect(&name));
            supervisor.notify(State::Ready);
            assert_eq!(receive(&socket), "READY=1\n");
            supervisor.notify(State::Stopping);
            assert_eq!(receive(&socket), "STOPPING=1\n");
            supervisor.notify(State::Reloading);
            let text = receive(&socket);
            assert!(text.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{text}");
        }
        std::fs::remove_file(path).unwrap();
        // Nobody is there.
        Supervisor(connect(b"/nonexistent/socket")).notify(State::Ready);
        Supervisor(None).notify(State::Ready);
    }

    #[test]
    fn who_hears_nothing_holds_nobody_up() {
        let path = std::env::temp_dir().join(format!("notify-full-{}", std::process::id()));
        let _unread = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor(connect(path.as_os_str().as_bytes()));
        for _ in 0..10_000 {
            supervisor.notify(State::Ready);
        }
        std::fs::remove_file(path).unwrap();
    }
}
