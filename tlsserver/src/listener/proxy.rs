//! The PROXY header (versions 1 and 2) that a load balancer puts before a
//! connection: the one thing that the listener reads from a peer.
//!
//! Not an octet behind the header is taken, for it is the program's or the engine's.
//! Where it ends and what of it is believed is [`proto::proxy_header`]'s.
//!
//! A load balancer makes connections of its own to see whether the port is open, one
//! every few seconds, and closes them when they stand. Such a check is no connection
//! to run a program for, nor to write a line about. One that goes on, because a
//! greeting is waited for or TLS begins, is served as any other.

use proto::proxy_header::{TEXT, addresses, wanted};
use rustix::net::{RecvFlags, recv};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::sockets::{Accepted, canonical};

/// How long a header may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a connection of the load balancer's own is given to be over. It says and
/// waits for nothing in between, so this is for the network's delays alone.
const CHECK: Duration = Duration::from_millis(100);

/// A connection whose header has not all arrived.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) accepted: Accepted,
    pub(super) deadline: Instant,
    header: Vec<u8>,
    /// The header is complete and says that nobody is behind the load balancer.
    balancers_own: bool,
}

/// How far a header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    NeedInput,
    /// The connection's addresses, remote and local.
    Done(SocketAddr, SocketAddr),
    /// Closed before the first octet that is not the header's, as a check of the port
    /// does.
    Nothing,
    Refused(&'static str),
}

impl Pending {
    pub(super) fn new(accepted: Accepted, now: Instant) -> Self {
        let header = Vec::new();
        Self { accepted, deadline: now + LIMIT, header, balancers_own: false }
    }

    /// Whether the load balancer only looks whether the port is open.
    pub(super) const fn is_balancers_own(&self) -> bool {
        self.balancers_own
    }

    /// What its deadline means, once that is over: a header that is late, or a
    /// connection of the load balancer's own that is more than a check of the port.
    pub(super) fn at_deadline(&self) -> Progress {
        if self.balancers_own {
            Progress::Done(self.accepted.remote, self.accepted.local)
        } else {
            Progress::Refused("no header in time")
        }
    }

    /// Reads what has arrived of the header, without blocking.
    pub(super) fn advance(&mut self, now: Instant) -> Progress {
        if self.balancers_own {
            return self.look_behind();
        }
        let mut space = [0; TEXT];
        loop {
            let wanted = match wanted(&self.header) {
                Ok(0) => return self.addresses(now),
                Ok(wanted) => wanted.min(space.len()),
                Err(fault) => return Progress::Refused(fault.text()),
            };
            let Some(piece) = space.get_mut(..wanted) else { return Progress::NeedInput };
            match recv(&self.accepted.socket, piece, RecvFlags::DONTWAIT) {
                Ok((_, 0)) if self.header.is_empty() => return Progress::Nothing,
                Ok((_, 0)) => return Progress::Refused("the header ends early"),
                Ok((_, count)) => {
                    self.header.extend_from_slice(space.get(..count).unwrap_or_default());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(reason) if io::Error::from(reason).kind() == io::ErrorKind::WouldBlock => {
                    return Progress::NeedInput;
                }
                Err(_) => return Progress::Refused("the connection broke in the header"),
            }
        }
    }

    fn addresses(&mut self, now: Instant) -> Progress {
        let found = addresses(&self.header).map(|found| {
            let found = found.map(|(remote, local)| (canonical(remote), canonical(local)));
            // In version 1 a load balancer may only have its own addresses to say.
            found.filter(|&found| found != (self.accepted.remote, self.accepted.local))
        });
        match found {
            Ok(Some((remote, local))) => Progress::Done(remote, local),
            Ok(None) => {
                self.balancers_own = true;
                self.deadline = now + CHECK;
                self.look_behind()
            }
            Err(fault) => Progress::Refused(fault.text()),
        }
    }

    /// Whether anything follows the header.
    fn look_behind(&self) -> Progress {
        match recv(&self.accepted.socket, &mut [0], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Ok((_, 0)) => Progress::Nothing,
            Ok(_) => Progress::Done(self.accepted.remote, self.accepted.local),
            Err(rustix::io::Errno::INTR) => Progress::NeedInput,
            Err(reason) if io::Error::from(reason).kind() == io::ErrorKind::WouldBlock => {
                Progress::NeedInput
            }
            // Checks often end with a reset, which leaves less behind.
            Err(_) => Progress::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
