//! What tells the protocols apart before a login: one question each, and an answer for
//! each protocol. Their commands are in a file of their own each.

use super::imap_reply;
use super::reply::Refusal;
use crate::line::{LONGEST, LONGEST_COMMAND};
use crate::sasl;
use crate::ucspi_tls::Tls;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Display;

/// Which protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321) with AUTH (RFC 4954).
    Smtp,
    /// POP3 (RFC 1939).
    Pop3,
    /// IMAP (RFC 9051, RFC 3501).
    Imap,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Smtp, Self::Pop3, Self::Imap];

    /// The protocol's name, as the command line, control files and the log have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Pop3 => "pop3",
            Self::Imap => "imap",
        }
    }

    /// Reads the protocol's name, without case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|one| name.eq_ignore_ascii_case(one.name().as_bytes()))
    }

    /// How processes name it to each other.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Smtp => b's',
            Self::Pop3 => b'p',
            Self::Imap => b'i',
        }
    }

    /// Reads [`Self::octet`].
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.octet() == octet)
    }

    /// Refused logins after which the session ends, unless the administrator says.
    #[must_use]
    pub const fn default_tries(self) -> u32 {
        match self {
            Self::Smtp | Self::Imap => 5,
            Self::Pop3 => 1,
        }
    }

    /// What checkpassword is told of a session: POP3's timestamp (RFC 1939, section 7);
    /// nothing elsewhere. `session` is what tells it from all others of that second,
    /// `seconds` are those since the epoch.
    #[must_use]
    pub fn timestamp(self, session: impl Display, seconds: u64, greeting: &[u8]) -> Vec<u8> {
        match self {
            Self::Smtp | Self::Imap => Vec::new(),
            Self::Pop3 => [format!("<{session}.{seconds}@").as_bytes(), greeting, b">"].concat(),
        }
    }

    /// The first line to a client: the text of the greeting, and where the protocol has them
    /// there, capabilities.
    #[must_use]
    pub fn greeting(self, greeting: &[u8], tls: Tls, capabilities: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Self::Smtp => [b"220 ", greeting, b" ESMTP\r\n"].concat(),
            // Without the timestamp, which would promise APOP (RFC 1939, section 7).
            Self::Pop3 => [b"+OK ", greeting, b"\r\n"].concat(),
            Self::Imap => imap_reply::greeting(greeting, tls, capabilities),
        }
    }

    /// The line behind which TLS begins. `tag`: see [`Self::refusal`].
    #[must_use]
    pub fn tls_ready(self, tag: &[u8]) -> Vec<u8> {
        match self {
            Self::Smtp => b"220 Ready to start TLS (#5.7.0)\r\n".to_vec(),
            Self::Pop3 => b"+OK starting TLS negotiation\r\n".to_vec(),
            Self::Imap => [tag, b" OK Begin TLS negotiation now\r\n"].concat(),
        }
    }

    /// The line of a refusal, its line ending included. `tag`: IMAP's, of the command
    /// that is refused; empty where it has none.
    #[must_use]
    pub fn refusal(self, why: Refusal, tag: &[u8]) -> Vec<u8> {
        let row = why.row();
        match self {
            Self::Smtp => {
                let text = why.text(|texts| texts.smtp);
                [row.code, " ", &text, " (#", row.enhanced, ")\r\n"].concat().into()
            }
            Self::Pop3 => {
                let text = why.text(|texts| texts.pop3);
                match row.pop3_code {
                    "" => ["-ERR ", &text, "\r\n"].concat().into(),
                    code => ["-ERR [", code, "] ", &text, "\r\n"].concat().into(),
                }
            }
            Self::Imap => imap_reply::refusal(why, tag),
        }
    }

    /// Whether a line of the file of capabilities is the dialog's own to say, by whether TLS is
    /// on and a login is possible: it is not taken from there. IMAP's list is of words, and
    /// refused with such a one ([`crate::imap::capability`]).
    #[must_use]
    pub fn says_itself(self, listed: &[u8]) -> bool {
        let own: &[&str] = match self {
            Self::Smtp => &["STARTTLS", "AUTH"],
            Self::Pop3 => &["STLS", "USER", "SASL"],
            Self::Imap => &[],
        };
        let word = listed.split(|octet| matches!(octet, b' ' | b'\t' | b'=')).next();
        own.iter().any(|own| word.is_some_and(|word| word.eq_ignore_ascii_case(own.as_bytes())))
    }

    /// The last line of a session that ends outside of any command.
    #[must_use]
    pub fn last_words(self, why: Refusal) -> Vec<u8> {
        match self {
            Self::Smtp | Self::Pop3 => self.refusal(why, b""),
            Self::Imap => imap_reply::bye(why),
        }
    }

    /// What is said behind a refusal that ends the session: IMAP has no end without a
    /// BYE (RFC 9051, section 3.4).
    #[must_use]
    pub fn farewell(self, why: Refusal) -> Vec<u8> {
        match self {
            Self::Smtp | Self::Pop3 => Vec::new(),
            Self::Imap => imap_reply::bye(why),
        }
    }

    /// The line of a challenge, its line ending included.
    #[must_use]
    pub fn challenge(self, challenge: &[u8]) -> Vec<u8> {
        let prefix: &[u8] = match self {
            // An empty challenge keeps its space.
            Self::Smtp => b"334 ",
            Self::Pop3 | Self::Imap => b"+ ",
        };
        [prefix, &sasl::encode(challenge), b"\r\n"].concat()
    }

    /// How long a command may get that begins so, in octets.
    #[must_use]
    pub fn longest(self, held: &[u8]) -> usize {
        let begins = |verb: &[u8]| {
            held.get(..verb.len()).is_some_and(|said| said.eq_ignore_ascii_case(verb))
        };
        match self {
            Self::Smtp | Self::Pop3 if begins(b"AUTH ") => LONGEST,
            Self::Smtp | Self::Pop3 => LONGEST_COMMAND,
            // RFC 2683, section 3.2.1.5, asks for 8,000 octets; with all its literals.
            Self::Imap => LONGEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_octets_read_back() {
        for protocol in Protocol::ALL {
            let name = protocol.name().to_ascii_uppercase();
            assert_eq!(Protocol::named(name.as_bytes()), Some(protocol));
            assert_eq!(Protocol::from_octet(protocol.octet()), Some(protocol));
        }
        assert_eq!(Protocol::named(b"smtps"), None);
        assert_eq!(Protocol::from_octet(0), None);
    }

    #[test]
    fn challenges_are_base64() {
        assert_eq!(Protocol::Smtp.challenge(b"Username:"), b"334 VXNlcm5hbWU6\r\n");
        assert_eq!(Protocol::Smtp.challenge(b"Password:"), b"334 UGFzc3dvcmQ6\r\n");
        assert_eq!(Protocol::Smtp.challenge(b""), b"334 \r\n");
        assert_eq!(Protocol::Pop3.challenge(b""), b"+ \r\n");
    }
}
