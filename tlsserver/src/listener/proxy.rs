//! The PROXY header (versions 1 and 2) that a load balancer puts before a
//! connection: the one thing that the listener reads from a peer.
//!
//! Not an octet behind the header is taken, for it is the program's or the engine's.
//! The header's grammar is the crate ppp's; here is where it ends, and what of it
//! is believed.

use ppp::{v1, v2};
use rustix::net::{RecvFlags, recv};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::sockets::{Accepted, canonical};

/// How long a header may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest version 1 header, by its specification.
const TEXT: usize = 107;
/// No header, of either version, is shorter than this.
const SHORTEST: usize = 15;
/// The fixed part of version 2; it says how much follows.
const BINARY: usize = 16;
/// The most that may follow: the longest addresses and ample room for what load
/// balancers add.
const BINARY_REST: usize = 4096;

/// A connection whose header has not all arrived.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) accepted: Accepted,
    pub(super) deadline: Instant,
    header: Vec<u8>,
}

/// How far a header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    NeedInput,
    /// The connection's addresses, remote and local.
    Done(SocketAddr, SocketAddr),
    /// Closed before the first octet, as a check of the port does.
    Nothing,
    Refused(&'static str),
}

impl Pending {
    pub(super) fn new(accepted: Accepted, now: Instant) -> Self {
        Self { accepted, deadline: now + LIMIT, header: Vec::new() }
    }

    /// Reads what has arrived of the header, without blocking.
    pub(super) fn advance(&mut self) -> Progress {
        let mut space = [0; TEXT];
        loop {
            let wanted = match wanted(&self.header) {
                Ok(0) => return self.addresses(),
                Ok(wanted) => wanted.min(space.len()),
                Err(why) => return Progress::Refused(why),
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

    fn addresses(&self) -> Progress {
        let found = if self.header.starts_with(v2::PROTOCOL_PREFIX) {
            binary(&self.header)
        } else {
            text(&self.header)
        };
        match found {
            // A check by the load balancer itself: the connection is its own.
            Ok(None) => Progress::Done(self.accepted.remote, self.accepted.local),
            Ok(Some((remote, local))) => Progress::Done(canonical(remote), canonical(local)),
            Err(why) => Progress::Refused(why),
        }
    }
}

/// How many octets surely still belong to the header: 0 when it is complete.
fn wanted(header: &[u8]) -> Result<usize, &'static str> {
    const NEITHER: &str = "not a header";
    let text = v1::PROTOCOL_PREFIX.as_bytes();
    let may_be = |prefix: &[u8]| {
        let length = prefix.len().min(header.len());
        prefix.get(..length) == header.get(..length)
    };
    if !may_be(text) && !may_be(v2::PROTOCOL_PREFIX) {
        return Err(NEITHER);
    }
    if header.len() < SHORTEST {
        return Ok(SHORTEST - header.len());
    }
    if may_be(text) {
        return match header {
            [.., b'\r', b'\n'] => Ok(0),
            _ if header.len() >= TEXT => Err("the header is too long"),
            [.., b'\n'] => Err(NEITHER),
            // One by one: what follows the line end is not ours.
            _ => Ok(1),
        };
    }
    let Some(&[high, low]) = header.get(BINARY - 2..BINARY) else {
        return Ok(BINARY - header.len());
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > BINARY_REST {
        Err("the header is too long")
    } else {
        Ok(BINARY + rest - header.len())
    }
}

type Addresses = Option<(SocketAddr, SocketAddr)>;

fn text(header: &[u8]) -> Result<Addresses, &'static str> {
    let parsed = v1::Header::try_from(header).map_err(|_| "the header is malformed")?;
    // Numbers are digits (the library's parser takes a sign).
    if header.contains(&b'+') {
        return Err("the header is malformed");
    }
    Ok(match parsed.addresses {
        v1::Addresses::Tcp4(ip) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        v1::Addresses::Tcp6(ip) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        v1::Addresses::Unknown => None,
    })
}

fn binary(header: &[u8]) -> Result<Addresses, &'static str> {
    let parsed = v2::Header::try_from(header).map_err(|_| "the header is malformed")?;
    if parsed.command == v2::Command::Local {
        return Ok(None);
    }
    if parsed.protocol == v2::Protocol::Datagram {
        return Err("the header is not of a TCP connection");
    }
    Ok(match parsed.addresses {
        v2::Addresses::IPv4(ip) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        v2::Addresses::IPv6(ip) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    })
}

#[cfg(test)]
mod tests;
