//! Whom a server tells how far it is, as systemd hears it of `Type=notify`.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::PATIENCE;

/// Its socket.
pub(crate) struct Supervisor(UnixDatagram);

impl Supervisor {
    /// Listens there.
    pub(super) fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next that it hears begins so.
    #[track_caller]
    pub(crate) fn hears(&self, beginning: &str) {
        let mut octets = [0; 100];
        let count = self.0.recv(&mut octets).expect(beginning);
        let text = String::from_utf8_lossy(&octets[..count]).into_owned();
        assert!(text.starts_with(beginning), "{beginning}: {text}");
    }

    /// Nothing is left that it has not heard.
    #[track_caller]
    pub(crate) fn has_heard_all(&self) {
        self.0.set_nonblocking(true).unwrap();
        let mut last = [0; 100];
        assert!(self.0.recv(&mut last).is_err(), "{}", String::from_utf8_lossy(&last));
    }
}
