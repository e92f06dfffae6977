//! The octets of a PROXY header, versions 1 and 2: where it ends, and which addresses it
//! gives. Its grammar is the crate ppp's, which is built on `std`: so this is there only for
//! who asks for the feature `proxy`, tlsserver's listener, which reads it from a socket.

use core::net::SocketAddr;
use ppp::{v1, v2};

/// The longest version 1 header, by its specification.
pub const TEXT: usize = 107;
/// What a header of version 2 begins with.
pub const BINARY_START: &[u8] = v2::PROTOCOL_PREFIX;
/// No header, of either version, is shorter than this.
const SHORTEST: usize = 15;
/// The fixed part of version 2; it says how much follows.
const BINARY: usize = 16;
/// The most that may follow: the longest addresses and ample room for what load
/// balancers add.
const BINARY_REST: usize = 4096;

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something else than a header has arrived.
    NotAHeader,
    /// It is longer than its version allows, or than there is room for.
    TooLong,
    /// It is not of the grammar, or half of something.
    Malformed,
    /// It speaks of datagrams.
    NotTcp,
}

impl Fault {
    /// What the log says of it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotAHeader => "not a header",
            Self::TooLong => "the header is too long",
            Self::Malformed => "the header is malformed",
            Self::NotTcp => "the header is not of a TCP connection",
        }
    }
}

/// How many octets surely still belong to the header: 0 when it is complete.
///
/// # Errors
/// It is none, whatever follows.
pub fn wanted(header: &[u8]) -> Result<usize, Fault> {
    let text = v1::PROTOCOL_PREFIX.as_bytes();
    let may_be = |prefix: &[u8]| {
        let length = prefix.len().min(header.len());
        prefix.get(..length) == header.get(..length)
    };
    if !may_be(text) && !may_be(BINARY_START) {
        return Err(Fault::NotAHeader);
    }
    if header.len() < SHORTEST {
        return Ok(SHORTEST - header.len());
    }
    if may_be(text) {
        return match header {
            [.., b'\r', b'\n'] => Ok(0),
            _ if header.len() >= TEXT => Err(Fault::TooLong),
            [.., b'\n'] => Err(Fault::NotAHeader),
            // One by one: what follows the line end is not ours.
            _ => Ok(1),
        };
    }
    let Some(&[high, low]) = header.get(BINARY - 2..BINARY) else {
        return Ok(BINARY - header.len());
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > BINARY_REST { Err(Fault::TooLong) } else { Ok(BINARY + rest - header.len()) }
}

/// Of who connected and of where to; `None`: the connection's own.
pub type Addresses = Option<(SocketAddr, SocketAddr)>;

/// Reads a complete header.
///
/// # Errors
/// It gives no addresses that could be believed.
pub fn addresses(header: &[u8]) -> Result<Addresses, Fault> {
    if header.starts_with(BINARY_START) { binary(header) } else { text(header) }
}

fn text(header: &[u8]) -> Result<Addresses, Fault> {
    let parsed = v1::Header::try_from(header).map_err(|_| Fault::Malformed)?;
    // Numbers are digits (the library's parser takes a sign).
    if header.contains(&b'+') {
        return Err(Fault::Malformed);
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

fn binary(header: &[u8]) -> Result<Addresses, Fault> {
    let parsed = v2::Header::try_from(header).map_err(|_| Fault::Malformed)?;
    if parsed.command == v2::Command::Local {
        return Ok(None);
    }
    // Half of one says that something was lost, or that somebody tries what happens. Behind
    // an address of no family there may be anything.
    let has_family = !matches!(parsed.addresses, v2::Addresses::Unspecified);
    if has_family && parsed.tlvs().any(|one| one.is_err()) {
        return Err(Fault::Malformed);
    }
    Ok(match (parsed.addresses, parsed.protocol) {
        (v2::Addresses::IPv4(ip), v2::Protocol::Stream) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        (v2::Addresses::IPv6(ip), v2::Protocol::Stream) => Some((
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        )),
        (v2::Addresses::Unix(_), v2::Protocol::Stream)
        | (v2::Addresses::Unspecified, v2::Protocol::Unspecified) => None,
        (_, v2::Protocol::Datagram) => return Err(Fault::NotTcp),
        // A family without its protocol, or the other way round.
        _ => return Err(Fault::Malformed),
    })
}
