//! An engine and the listener: what the engine says, which root reads.
//!
//! An engine that was taken over can say what it likes here, of connections that it has, and
//! the listener bounds how much.

use super::ConnectionId;
use super::wire::{Reader, Writer};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest text that a jailed process may have for the log, in octets.
pub const LONGEST_TEXT: usize = 512;

/// From an engine to the listener.
#[derive(Debug, PartialEq, Eq)]
pub enum FromEngine {
    /// Jailed and ready; and the answer to the question whether it works.
    Ready,
    /// The keyholder does not sign for it any more: it is of no use for new connections.
    CannotSign,
    /// An immediate connection's handshake is done; the facts, as they are written to a
    /// program.
    Secured(ConnectionId, Vec<u8>),
    /// A client begins to log in.
    LogsIn(ConnectionId),
    /// Something about a connection that belongs in the log, up to [`LONGEST_TEXT`] of it.
    Failed(ConnectionId, String),
    /// The same about no connection: as a rule why it cannot go on.
    Says(String),
    /// The engine has let go of the connection.
    Closed(ConnectionId),
}

impl FromEngine {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let written = match self {
            Self::Ready => Writer::new(b'r', 0),
            Self::CannotSign => Writer::new(b'k', 0),
            Self::Secured(id, facts) => Writer::new(b's', 8 + facts.len()).long(*id).octets(facts),
            Self::LogsIn(id) => Writer::new(b'l', 8).long(*id),
            Self::Failed(id, why) => Writer::new(b'f', 8 + LONGEST_TEXT).long(*id).octets(cut(why)),
            Self::Says(what) => Writer::new(b'w', LONGEST_TEXT).octets(cut(what)),
            Self::Closed(id) => Writer::new(b'x', 8).long(*id),
        };
        written.done().to_vec()
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let message = match reader.octet()? {
            b'r' => Self::Ready,
            b'k' => Self::CannotSign,
            b's' => Self::Secured(reader.long()?, reader.rest().to_vec()),
            b'l' => Self::LogsIn(reader.long()?),
            b'f' => Self::Failed(reader.long()?, log_text(&mut reader)?),
            b'w' => Self::Says(log_text(&mut reader)?),
            b'x' => Self::Closed(reader.long()?),
            _ => return None,
        };
        reader.end(message)
    }
}

/// As much of it as the log takes, up to the end of a letter.
#[must_use]
pub fn cut(text: &str) -> &[u8] {
    let short = (0..=LONGEST_TEXT.min(text.len())).rev().find_map(|end| text.get(..end));
    short.unwrap_or_default().as_bytes()
}

fn log_text(reader: &mut Reader<'_>) -> Option<String> {
    reader.text().filter(|text| text.len() <= LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn every_message_reads_back() {
        for message in [
            FromEngine::Ready,
            FromEngine::CannotSign,
            FromEngine::Secured(5, b"SSL_PROTOCOL=TLSv1.3\0\0".to_vec()),
            FromEngine::LogsIn(5),
            FromEngine::Failed(6, "why".into()),
            FromEngine::Says("what".into()),
            FromEngine::Closed(7),
        ] {
            assert_eq!(FromEngine::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn a_text_for_the_log_is_cut_by_an_honest_engine_and_no_other_is_heard() {
        let said = |why: String| FromEngine::decode(&FromEngine::Failed(1, why).encode());
        let whole = "x".repeat(LONGEST_TEXT);
        assert_eq!(said(whole.clone()), Some(FromEngine::Failed(1, whole.clone())));
        assert_eq!(said(format!("{whole}x")), Some(FromEngine::Failed(1, whole.clone())));
        // Not within a letter.
        let letters = "ö".repeat(LONGEST_TEXT);
        assert_eq!(said(format!("x{letters}")).map(|said| said.encode().len()), Some(9 + 511));
        let long = [b"f\0\0\0\0\0\0\0\x01", whole.as_bytes(), b"x"].concat();
        assert_eq!(FromEngine::decode(&long), None);
    }

    #[test]
    fn what_is_no_message_is_none() {
        for octets in [&b""[..], b"?", b"r ", b"f\0\0\0\0\0\0\0\x01\xff", b"x\0", b"s"] {
            assert_eq!(FromEngine::decode(octets), None, "{octets:?}");
        }
    }
}
