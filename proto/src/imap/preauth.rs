//! An IMAP server that can only say that its client is logged in already, behind a login:
//! what its first words are to the client, who waits for the answer to its LOGIN.
//!
//! `* PREAUTH` is a greeting (RFC 9051, section 7.1.4), and the client has had one.

use alloc::vec::Vec;
use core::fmt;

/// The longest line that a server may begin with, in octets, its ending included.
pub const LONGEST: usize = 8_192;

/// What a server's line comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// It goes to the client as it is, and another is awaited.
    Passed,
    /// The client is logged in: this in its place, and all that follows as it is.
    LoggedIn(Vec<u8>),
    /// There is no session: see [`not_ready`].
    NotReady(NotReady),
}

/// Why a server has no session for the client; shown as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// It has ended without a greeting.
    Ended,
    /// Its greeting is one to somebody who is to log in.
    WantsLogin,
    /// It greets nobody.
    TurnedAway,
    /// What it says is not IMAP's.
    NotImap,
    /// A line is longer than [`LONGEST`].
    LineTooLong,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "ended before it was ready",
            Self::WantsLogin => "wants a login of its own",
            Self::TurnedAway => "turned the client away",
            Self::NotImap => "did not begin as an IMAP server",
            Self::LineTooLong => "reply line too long",
        })
    }
}

/// Looks at a line with its ending. `tag` is that of the client's LOGIN or AUTHENTICATE.
#[must_use]
pub fn opening(line: &[u8], tag: &[u8]) -> Opening {
    // Nobody has asked it anything that another line could be the answer to.
    let Some(response) = line.strip_prefix(b"* ") else {
        return Opening::NotReady(NotReady::NotImap);
    };
    let end = response.iter().position(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
    let (condition, text) = response.split_at(end.unwrap_or(response.len()));
    if condition.eq_ignore_ascii_case(b"PREAUTH") {
        Opening::LoggedIn([tag, b" OK", text].concat())
    } else if condition.eq_ignore_ascii_case(b"OK") {
        Opening::NotReady(NotReady::WantsLogin)
    } else if [&b"BYE"[..], b"NO", b"BAD"].iter().any(|one| condition.eq_ignore_ascii_case(one)) {
        Opening::NotReady(NotReady::TurnedAway)
    } else {
        Opening::Passed
    }
}

/// What the client hears where the server cannot serve it.
#[must_use]
pub fn not_ready(tag: &[u8]) -> Vec<u8> {
    [tag, b" NO [UNAVAILABLE] server is not ready\r\n", BYE].concat()
}

/// The same of a client whose login has been answered, or has not been said.
pub const BYE: &[u8] = b"* BYE server is not ready\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_becomes_the_answer_to_the_login() {
        let logged_in = |text: &str| Opening::LoggedIn(text.as_bytes().to_vec());
        for (line, comes_to) in [
            (
                "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] Logged in as alice\r\n",
                logged_in("a1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in as alice\r\n"),
            ),
            ("* preauth Ready.\n", logged_in("a1 OK Ready.\n")),
            ("* PREAUTH\r\n", logged_in("a1 OK\r\n")),
            ("* CAPABILITY IMAP4rev1\r\n", Opening::Passed),
            ("* PREAUTHORIZED x\r\n", Opening::Passed),
        ] {
            assert_eq!(opening(line.as_bytes(), b"a1"), comes_to, "{line:?}");
        }
        for (line, why) in [
            ("* OK IMAP4rev1 ready\r\n", NotReady::WantsLogin),
            ("* BYE no\r\n", NotReady::TurnedAway),
            ("* bad\n", NotReady::TurnedAway),
            ("* NO x\r\n", NotReady::TurnedAway),
            ("imapd: no such mailbox\n", NotReady::NotImap),
            ("a1 OK LOGIN completed\r\n", NotReady::NotImap),
            ("+ idling\r\n", NotReady::NotImap),
            ("*\r\n", NotReady::NotImap),
            ("\r\n", NotReady::NotImap),
        ] {
            assert_eq!(opening(line.as_bytes(), b"a1"), Opening::NotReady(why), "{line:?}");
        }
        assert_eq!(
            not_ready(b"a1"),
            b"a1 NO [UNAVAILABLE] server is not ready\r\n* BYE server is not ready\r\n"
        );
    }
}
