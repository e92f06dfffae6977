//! The PROXY header that tlsserver's listener reads (`proto::proxy_header`, with the crate
//! ppp behind it): not an octet behind a good header is taken, however it
//! arrives; what is held has a bound; and addresses are believed only where another
//! reader of the same octets finds the same.

use crate::choices::Choices;
use crate::cuts::in_any_pieces;
use proto::proxy_header::{Addresses, Fault, TEXT, addresses, wanted};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is taken: the fixed part of version 2, and what may follow.
const LONGEST: usize = 16 + 4096;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    NeedInput,
    /// A header of so many octets.
    Header(usize, Addresses),
    Refused(Fault),
}

/// Sizes of pieces; then what arrives.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    choices.octet();
    let sizes = choices.part();
    let arriving = choices.rest();
    let outcome = in_any_pieces(arriving, sizes, read);
    let Outcome::Header(length, addresses) = outcome else { return };
    let header = &arriving[..length];
    if header.starts_with(b"PROXY") {
        assert_eq!(header.iter().position(|&octet| octet == b'\n'), Some(length - 1));
        assert_eq!(addresses, model_of_text(header));
    } else {
        assert_eq!(length, 16 + usize::from(header[14]) * 256 + usize::from(header[15]));
        assert_eq!(addresses, model_of_binary(header));
    }
    if let Some((remote, local)) = addresses {
        again(remote, local);
    }
}

/// Takes from a socket what is wanted, as far as it is there.
fn read(pieces: &[&[u8]]) -> Outcome {
    let (mut taken, mut waiting) = (Vec::new(), Vec::new());
    let mut pieces = pieces.iter();
    loop {
        let wanted = match wanted(&taken) {
            Ok(0) => break,
            Ok(wanted) => wanted.min(TEXT),
            Err(fault) => return Outcome::Refused(fault),
        };
        if waiting.is_empty() {
            let Some(piece) = pieces.next() else { return Outcome::NeedInput };
            waiting.extend_from_slice(piece);
        }
        taken.extend(waiting.drain(..wanted.min(waiting.len())));
        assert!(taken.len() <= LONGEST, "holds too much");
    }
    match addresses(&taken) {
        Ok(addresses) => Outcome::Header(taken.len(), addresses),
        Err(fault) => Outcome::Refused(fault),
    }
}

/// `PROXY TCP4 SOURCE DESTINATION PORT PORT`, or UNKNOWN with whatever follows.
fn model_of_text(header: &[u8]) -> Addresses {
    let text = std::str::from_utf8(header).expect("a good header is ASCII");
    let words: Vec<&str> = text.trim_end_matches("\r\n").split(' ').collect();
    let number = |word: &str| -> u16 {
        assert!(word.bytes().all(|octet| octet.is_ascii_digit()), "{word:?} is no number");
        word.parse().expect("a port")
    };
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family @ ("TCP4" | "TCP6"), source, destination, from, to] => {
            let ip = |word: &str| -> IpAddr {
                match *family {
                    "TCP4" => word.parse::<Ipv4Addr>().expect("an IPv4 address").into(),
                    _ => word.parse::<Ipv6Addr>().expect("an IPv6 address").into(),
                }
            };
            let source = SocketAddr::new(ip(source), number(from));
            Some((source, SocketAddr::new(ip(destination), number(to))))
        }
        _ => panic!("{text:?} is no header"),
    }
}

/// By the octets' places.
fn model_of_binary(header: &[u8]) -> Addresses {
    assert_eq!(header[12] >> 4, 2, "not version 2");
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    match (header[12] & 15, header[13]) {
        (0, _) => None,
        (1, 0x11) => {
            let ip = |at: usize| -> [u8; 4] { header[at..at + 4].try_into().expect("four") };
            assert!(is_whole(&header[28..]));
            Some(((ip(16), port(24)).into(), (ip(20), port(26)).into()))
        }
        (1, 0x21) => {
            let ip = |at: usize| -> [u8; 16] { header[at..at + 16].try_into().expect("sixteen") };
            assert!(is_whole(&header[52..]));
            Some(((ip(16), port(48)).into(), (ip(32), port(50)).into()))
        }
        // Not said, or not of the internet: the connection's own hold.
        (1, 0x00 | 0x31) => None,
        (1, family) => panic!("family {family:x}"),
        (command, _) => panic!("command {command}"),
    }
}

/// Whether what follows the addresses is whole: a type, a length, and so many octets each.
fn is_whole(mut rest: &[u8]) -> bool {
    while let [_, high, low, behind @ ..] = rest {
        let Some(next) = behind.get(usize::from(*high) * 256 + usize::from(*low)..) else {
            return false;
        };
        rest = next;
    }
    rest.is_empty()
}

/// What is believed can be written, and is believed again.
fn again(remote: SocketAddr, local: SocketAddr) {
    let family = if remote.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (remote.port(), local.port());
    let written = format!("PROXY {family} {} {} {from} {to}\r\n", remote.ip(), local.ip());
    let expected = Some((remote, local));
    assert_eq!(read(&[written.as_bytes()]), Outcome::Header(written.len(), expected));
}
