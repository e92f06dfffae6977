//! The octets of a PROXY header: where it ends, and what of it is believed. Its grammar
//! is the crate ppp's. Nothing is read here: [`super`] does, and the fuzz target `proxy`.

use ppp::{v1, v2};
use std::net::SocketAddr;

/// The longest version 1 header, by its specification.
pub(super) const TEXT: usize = 107;
/// No header, of either version, is shorter than this.
const SHORTEST: usize = 15;
/// The fixed part of version 2; it says how much follows.
const BINARY: usize = 16;
/// The most that may follow: the longest addresses and ample room for what load
/// balancers add.
const BINARY_REST: usize = 4096;

const MALFORMED: &str = "the header is malformed";

/// How many octets surely still belong to the header: 0 when it is complete.
pub(super) fn wanted(header: &[u8]) -> Result<usize, &'static str> {
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

/// Of who connected and of where to; `None`: the connection's own.
pub(super) type Addresses = Option<(SocketAddr, SocketAddr)>;

/// Reads a header of version 1.
pub(super) fn text(header: &[u8]) -> Result<Addresses, &'static str> {
    let parsed = v1::Header::try_from(header).map_err(|_| MALFORMED)?;
    // Numbers are digits (the library's parser takes a sign).
    if header.contains(&b'+') {
        return Err(MALFORMED);
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

/// Reads a header of version 2.
pub(super) fn binary(header: &[u8]) -> Result<Addresses, &'static str> {
    let parsed = v2::Header::try_from(header).map_err(|_| MALFORMED)?;
    if parsed.command == v2::Command::Local {
        return Ok(None);
    }
    // Half of one says that something was lost, or that somebody tries what happens. Behind
    // an address of no family there may be anything.
    let has_family = !matches!(parsed.addresses, v2::Addresses::Unspecified);
    if has_family && parsed.tlvs().any(|one| one.is_err()) {
        return Err(MALFORMED);
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
        (_, v2::Protocol::Datagram) => return Err("the header is not of a TCP connection"),
        // A family without its protocol, or the other way round.
        _ => return Err(MALFORMED),
    })
}
