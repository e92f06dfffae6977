//! The monitor and an engine: logins, and the session's stream.
//!
//! An engine that was taken over can ask for what [`crate::login::monitor::Request`] has,
//! of connections that the listener has said are its own, and for nothing else.

use super::ConnectionId;
use super::wire::{self, Field, Reader, Writer, messages};
use crate::login::monitor::Request;
use crate::login::outcome::Outcome;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// From an engine to the monitor.
#[derive(Debug)]
pub enum FromSession {
    /// What the dialog asks for.
    Request(ConnectionId, Request),
    /// The same of two things, one behind the other.
    Requests(ConnectionId, [Request; 2]),
    /// The program has written to the client before the login was known to be good.
    Spoke(ConnectionId),
    /// The program has closed its stream, or nobody reads from it any more.
    StreamEnded(ConnectionId, Said),
}

/// What a program has said on its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Something; or there was nobody to hear it.
    Something,
    /// Nothing, to a client who was there: it hears that there is no mail server.
    Nothing,
}

messages! {
    /// From the monitor to an engine.
    ToSession:
    /// With one end of the stream that the login program has the other end of: a login
    /// that was asked for has begun.
    b's' Stream(id: ConnectionId),
    /// The login is good.
    b'y' LoggedIn(id: ConnectionId),
    /// What became of the login.
    b'o' Outcome(id: ConnectionId, outcome: Outcome),
    /// The engine is to end at once, and all its sessions with it.
    b'e' End,
}

impl Field for Outcome {
    fn write(&self, writer: Writer) -> Writer {
        writer.octets(&self.encode())
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Self::decode(reader.rest())
    }
}

impl FromSession {
    /// The connection that it is about.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        match self {
            Self::Request(id, _)
            | Self::Requests(id, _)
            | Self::Spoke(id)
            | Self::StreamEnded(id, _) => *id,
        }
    }

    /// As octets, wiped when they go: a password may be among them.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let written = match self {
            Self::Request(id, request) => {
                let request = request.encode();
                Writer::with_room(b'q', 8 + request.len()).long(*id).octets(&request)
            }
            Self::Requests(id, requests) => {
                let [one, other] = requests.each_ref().map(Request::encode);
                let room = 8 + 4 + one.len() + other.len();
                Writer::with_room(b'b', room).long(*id).counted(&one).octets(&other)
            }
            Self::Spoke(id) => Writer::new(b's').long(*id),
            Self::StreamEnded(id, said) => {
                Writer::new(b'z').long(*id).octet((*said == Said::Something).into())
            }
        };
        Zeroizing::new(written.done())
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        wire::message(octets, |kind, reader| {
            Some(match kind {
                b'q' => Self::Request(reader.long()?, Request::decode(reader.rest())?),
                b'b' => {
                    let (id, one) = (reader.long()?, Request::decode(reader.counted()?)?);
                    Self::Requests(id, [one, Request::decode(reader.rest())?])
                }
                b's' => Self::Spoke(reader.long()?),
                b'z' => {
                    let (id, something) = (reader.long()?, reader.flag()?);
                    Self::StreamEnded(id, if something { Said::Something } else { Said::Nothing })
                }
                _ => return None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpassword::Record;
    use crate::login::Attempt;
    use crate::login::handoff::Handoff;

    #[test]
    fn every_message_reads_back() {
        for message in [
            ToSession::Stream(1),
            ToSession::LoggedIn(u64::MAX),
            ToSession::Outcome(1, Outcome::Refused),
            ToSession::Outcome(1, Outcome::Completed(7)),
            ToSession::End,
        ] {
            assert_eq!(ToSession::decode(&message.encode()), Some(message));
        }
        for said in [Said::Something, Said::Nothing] {
            let written = FromSession::StreamEnded(3, said).encode();
            let Some(FromSession::StreamEnded(3, read)) = FromSession::decode(&written) else {
                panic!("not what was written");
            };
            assert_eq!(read, said);
        }
        let written = FromSession::Spoke(4).encode();
        assert!(matches!(FromSession::decode(&written), Some(FromSession::Spoke(4))));
        let record = || Record::new(b"bob", b"secret", b"").unwrap();
        let login = || Request::Login(Attempt::Check(record(), Handoff::nothing()));
        let written = FromSession::Request(9, login()).encode();
        let Some(FromSession::Request(9, Request::Login(Attempt::Check(read, _)))) =
            FromSession::decode(&written)
        else {
            panic!("not what was written");
        };
        assert_eq!(read.expose(), b"bob\0secret\0\0");
        let written = FromSession::Requests(9, [Request::TlsOn(Vec::new()), login()]).encode();
        let Some(FromSession::Requests(9, [Request::TlsOn(_), second])) =
            FromSession::decode(&written)
        else {
            panic!("not what was written");
        };
        let Request::Login(Attempt::Check(read, _)) = second else { panic!("no login") };
        assert_eq!(read.expose(), b"bob\0secret\0\0");
    }

    #[test]
    fn what_is_no_message_is_none() {
        for octets in [
            &b""[..],
            b"?",
            b"z\0",
            b"s\0",
            b"q\0\0\0\0\0\0\0\x01",
            b"q\0\0\0\0\0\0\0\x01o",
            b"b\0\0\0\0\0\0\0\x01\0\0\0\x02o\0",
            b"b\0\0\0\0\0\0\0\x01\0\0\0\0o\0",
        ] {
            assert!(FromSession::decode(octets).is_none(), "{octets:?}");
            assert_eq!(ToSession::decode(octets), None, "{octets:?}");
        }
        assert_eq!(ToSession::decode(b"o\0\0\0\0\0\0\0\x01?\0"), None);
    }
}
