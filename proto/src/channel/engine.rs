//! An engine and the listener: which connections there are, and what is to be said to them.
//!
//! An engine that was taken over can say what it likes here, of connections that it has, and
//! the listener, which is root, bounds how much.

use super::ConnectionId;
use super::keyholder::Certificate;
use super::log_text;
use super::wire::{self, Field, Reader, Writer, messages};
use crate::login::before_login::BeforeLogin;
use crate::login::protocol::Protocol;
use crate::ucspi_tls::Tls;
use alloc::string::String;
use alloc::vec::Vec;

/// Names a dialog that an engine was told.
pub type DialogId = u64;

/// What is said to clients until they have logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogSetup {
    /// Refused logins after which a session ends.
    pub tries: u32,
    /// What the administrator says.
    pub before_login: BeforeLogin,
}

/// How one client is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Which of the dialogs.
    pub dialog: DialogId,
    /// TLS at the start; [`Tls::On`]: with the first octet.
    pub tls: Tls,
    /// Whether the mechanisms are listed as `AUTH=`, too.
    pub auth_equals: bool,
    /// What the greeting has of this session (`crate::login::protocol`).
    pub timestamp: Vec<u8>,
}

messages! {
    /// From the listener to an engine.
    ToEngine:
    /// One more certificate; its key's number is the count of those before it.
    b'c' Certificate(certificate: Certificate),
    /// What to say to connections that are given with [`Self::Talk`]; in place of what
    /// had this name before.
    b'g' Dialog(id: DialogId, dialog: DialogSetup),
    /// With a channel to it: the monitor, in place of any other.
    b'o' Monitor,
    /// All certificates have been sent.
    b'b' Begin,
    /// Whether it still does its work; the answer is [`FromEngine::Ready`].
    b'a' Answer,
    /// With the client's socket, the program's control socket, and the two ends of
    /// the decrypted stream: TLS once the program asks.
    b'd' Delayed(id: ConnectionId),
    /// With the client's socket: TLS at once.
    b'i' Immediate(id: ConnectionId),
    /// With the client's socket: the dialog, and TLS as it says.
    b'u' Talk(id: ConnectionId, talk: Talk),
    /// A connection given with [`Self::Talk`] is to end, as others wait.
    b'm' Evict(id: ConnectionId),
    /// The monitor knows of the client that begins to log in.
    b'y' GoOn(id: ConnectionId),
    /// It does not: there can be no login now.
    b'n' NoLogin(id: ConnectionId),
    /// The server ends: so are all that were given with [`Self::Talk`] and have not begun
    /// to log in.
    b'l' LastWords,
    /// With the two ends of the decrypted stream: the program of a connection that
    /// was reported as [`FromEngine::Secured`].
    b'p' Program(id: ConnectionId),
    /// The program of a connection has ended: one that the listener has started.
    b'e' ProgramEnded(id: ConnectionId),
}

messages! {
    /// From an engine to the listener.
    FromEngine:
    /// Jailed and ready; and the answer to the question whether it works.
    b'r' Ready,
    /// The keyholder does not sign for it any more: it is of no use for new connections.
    b'k' CannotSign,
    /// A delayed connection's program has asked for TLS.
    b'a' Asked(id: ConnectionId),
    /// An immediate connection's handshake is done; the facts, as they are written to a
    /// program.
    b's' Secured(id: ConnectionId, facts: Vec<u8>),
    /// A client begins to log in.
    b'l' LogsIn(id: ConnectionId),
    /// Something about a connection that belongs in the log, up to
    /// [`super::LONGEST_TEXT`] of it.
    b'f' Failed(id: ConnectionId, why: String as log_text),
    /// The same about no connection: as a rule why it cannot go on.
    b'w' Says(what: String as log_text),
    /// The engine has let go of the connection.
    b'x' Closed(id: ConnectionId),
}

impl Field for DialogSetup {
    fn write(&self, writer: Writer) -> Writer {
        let BeforeLogin {
            protocol,
            auth_equals,
            greeting,
            capabilities,
            io_timeout,
            login_timeout,
        } = &self.before_login;
        writer
            .octet(protocol.octet())
            .octet((*auth_equals).into())
            .number(self.tries)
            .long(*io_timeout)
            .long(*login_timeout)
            .counted(greeting)
            .each_counted(capabilities)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (protocol, auth_equals) = (Protocol::from_octet(reader.octet()?)?, reader.flag()?);
        let tries = reader.number()?;
        let (io_timeout, login_timeout) = (reader.long()?, reader.long()?);
        let (greeting, capabilities) = (reader.counted()?.to_vec(), reader.each_counted()?);
        let before_login = BeforeLogin {
            protocol,
            auth_equals,
            greeting,
            capabilities,
            io_timeout,
            login_timeout,
        };
        Some(Self { tries, before_login })
    }
}

impl Field for Talk {
    fn write(&self, writer: Writer) -> Writer {
        let Self { dialog, tls, auth_equals, timestamp } = self;
        writer.long(*dialog).octet((*auth_equals).into()).octet(tls.octet()).octets(timestamp)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (dialog, auth_equals, tls) = (reader.long()?, reader.flag()?, reader.tls()?);
        Some(Self { dialog, tls, auth_equals, timestamp: reader.rest().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::LONGEST_TEXT;
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn every_message_to_an_engine_reads_back_and_no_part_of_it_does() {
        let certificate = Certificate::example();
        let before_login = BeforeLogin {
            protocol: Protocol::Pop3,
            auth_equals: true,
            greeting: b"mail.example.org".to_vec(),
            capabilities: vec![b"8BITMIME".to_vec(), b"SIZE 1".to_vec()],
            io_timeout: 1200,
            login_timeout: u64::MAX,
        };
        let timestamp = b"<7.9@mail.example.org>".to_vec();
        let talk = Talk { dialog: 2, tls: Tls::Required, auth_equals: true, timestamp };
        for message in [
            ToEngine::Certificate(certificate),
            ToEngine::Dialog(1, DialogSetup { tries: 3, before_login }),
            ToEngine::Monitor,
            ToEngine::Begin,
            ToEngine::Answer,
            ToEngine::Delayed(1),
            ToEngine::Immediate(u64::MAX),
            ToEngine::Talk(3, talk.clone()),
            ToEngine::Talk(3, Talk { tls: Tls::On, ..talk }),
            ToEngine::Evict(4),
            ToEngine::GoOn(5),
            ToEngine::NoLogin(6),
            ToEngine::LastWords,
            ToEngine::Program(0),
            ToEngine::ProgramEnded(7),
        ] {
            let octets = message.encode();
            assert_eq!(ToEngine::decode(&octets).as_ref(), Some(&message));
            for cut in 0..octets.len() {
                assert_ne!(ToEngine::decode(&octets[..cut]).as_ref(), Some(&message), "{cut}");
            }
            let longer = [&octets[..], b"\0"].concat();
            assert_ne!(ToEngine::decode(&longer), Some(message));
        }
    }

    #[test]
    fn every_message_of_an_engine_reads_back() {
        for message in [
            FromEngine::Ready,
            FromEngine::CannotSign,
            FromEngine::Asked(4),
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
        for octets in [&b""[..], b"?", b"b ", b"p\0", b"u\0\0\0\0\0\0\0\x01"] {
            assert_eq!(ToEngine::decode(octets), None, "{octets:?}");
        }
    }
}
