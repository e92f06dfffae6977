//! A connection on which an answer is waited for until a moment, however often a part of it comes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;
use unix::deadline::{Deadline, Event, wait_for};

/// The connection.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) socket: TcpStream,
    until: Deadline,
}

impl Timed {
    /// An answer is waited for, from now on.
    pub(super) fn new(socket: TcpStream, patience: Duration) -> Self {
        Self { socket, until: Deadline::after(patience) }
    }

    /// Another is.
    pub(super) fn wait_for(&mut self, patience: Duration) {
        self.until = Deadline::after(patience);
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What has come after it is no reason to go on.
        if self.until.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        wait_for(self.socket.as_fd(), Event::IN, self.until)?;
        self.socket.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.socket.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_comes_when_the_time_is_over_is_not_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut timed = Timed::new(socket, Duration::ZERO);
        listener.accept().unwrap().0.write_all(b"late").unwrap();
        let error = timed.read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        timed.wait_for(Duration::from_secs(60));
        let mut heard = [0; 4];
        timed.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"late");
    }
}
