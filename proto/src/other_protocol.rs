//! What a client speaks that has come to the wrong port: HTTP, or TLS where it is to be asked
//! for first. No mail protocol has a command like either, so nobody who belongs here is
//! turned away by it; and who says it would go on, line by line, for as long as it is let.
//!
//! Asked by whoever reads commands: the dialog before a login, and the relay.

use crate::exit_code::FAILED;
use core::fmt;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherProtocol {
    /// A TLS handshake, from the first octet (RFC 8446, section 5.1), or one that begins as
    /// SSL 2.0's do (RFC 5246, appendix E.2).
    Tls,
    /// HTTP (RFC 9112, section 3).
    Http,
}

/// How a record of a handshake begins: its type, and the version's first octet, which has
/// been the same since SSL 3.0.
const RECORD: [u8; 2] = [0x16, 0x03];

/// How a handshake begins in SSL 2.0's form: a record shorter than 256 octets, how many, and
/// what it is. Old clients say so what they have of SSL 3.0 and TLS.
const fn is_old_hello(octets: [u8; 3]) -> bool {
    // The length that all fields of such a hello have together, with one cipher; no line
    // ends within it.
    matches!(octets, [0x80, 28..=0xff, 0x01])
}

/// The methods of RFC 9110, section 9, that of RFC 5789, and how HTTP/2 begins.
const METHODS: [&[u8]; 10] = [
    b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PRI", b"PUT", b"TRACE",
];

impl OtherProtocol {
    /// That of a session before a login which ends so.
    pub const EXIT_CODE: u8 = FAILED;

    /// How many octets [`Self::begins`] looks at, at most.
    pub const SHOWS: usize = 3;

    /// What begins where a command would, with these octets and then those; there may be no
    /// end of a line for long.
    #[must_use]
    pub fn begins(octets: &[u8], more: &[u8]) -> Option<Self> {
        let mut seen = octets.iter().chain(more).copied();
        let (first, second) = (seen.next()?, seen.next()?);
        let is_tls = [first, second] == RECORD
            || seen.next().is_some_and(|third| is_old_hello([first, second, third]));
        is_tls.then_some(Self::Tls)
    }

    /// What a line is that is no command; without its line ending.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|&octet| octet == b' ');
        let [method, target, version] = [words.next()?, words.next()?, words.next()?];
        let is_target = !target.is_empty() && target.iter().all(u8::is_ascii_graphic);
        let is_http = METHODS.contains(&method) && is_target && is_version(version);
        (is_http && words.next().is_none()).then_some(Self::Http)
    }

    /// As an octet, for another process.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Tls => b't',
            Self::Http => b'h',
        }
    }

    /// Reads [`Self::octet`].
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        [Self::Tls, Self::Http].into_iter().find(|one| one.octet() == octet)
    }
}

fn is_version(word: &[u8]) -> bool {
    let Some(&[major, b'.', minor]) = word.strip_prefix(b"HTTP/") else { return false };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

/// For the log.
impl fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "client speaks TLS at once",
            Self::Http => "client speaks HTTP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d60_http_is_a_request_line_to_the_letter() {
        for line in [
            "GET / HTTP/1.1",
            "POST /upload?a=b HTTP/1.0",
            "OPTIONS * HTTP/1.1",
            "CONNECT mx.example.net:25 HTTP/1.1",
            "GET http://example.org/ HTTP/1.1",
            "PRI * HTTP/2.0",
        ] {
            assert_eq!(
                OtherProtocol::of_line(line.as_bytes()),
                Some(OtherProtocol::Http),
                "{line}"
            );
        }
        // IMAP's tags are the client's to choose.
        for line in [
            "GET LOGIN bob HTTP/1.1",
            "GET NOOP",
            "GET /",
            "get / HTTP/1.1",
            "GET  HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / HTTP/11",
            "GET /\t HTTP/1.1",
            "Host: example.org",
            "EHLO HTTP/1.1",
            "",
        ] {
            assert_eq!(OtherProtocol::of_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn d60_tls_is_known_by_its_first_octets_wherever_they_are_cut() {
        for (octets, more, is_tls) in [
            (&b"\x16\x03\x01\x02"[..], &b""[..], true),
            (b"\x16", b"\x03", true),
            (b"", b"\x16\x03", true),
            (b"\x16", b"", false),
            (b"E", b"\x16\x03", false),
            (b"\x80\x2e\x01\x00\x02", b"", true),
            (b"\x80\x2e", b"\x01\x03", true),
            (b"\x80", b"\x2e", false),
            // An empty line, and what follows it.
            (b"\x80\n\x01", b"", false),
            (b"\x80\x2e\x02", b"", false),
            (b"", b"E\x80\x2e\x01", false),
            (b"\x15\x03", b"", false),
        ] {
            let seen = OtherProtocol::begins(octets, more);
            assert_eq!(seen.is_some(), is_tls, "{octets:?} {more:?}");
        }
    }

    #[test]
    fn octets_read_back() {
        for one in [OtherProtocol::Tls, OtherProtocol::Http] {
            assert_eq!(OtherProtocol::from_octet(one.octet()), Some(one));
        }
        assert_eq!(OtherProtocol::from_octet(0), None);
    }
}
