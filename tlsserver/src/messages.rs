//! What the three processes say to each other, one message to a packet.
//!
//! Knows the octets and nothing else. A message comes from a process that may have
//! been taken over by whom it talks to, so decoding trusts nothing: what does not
//! read exactly is no message.

mod wire;

use proto::ucspi_tls::Tls;
use unix::before_login::BeforeLogin;
use wire::{Reader, Writer};
use zeroize::Zeroizing;

/// The longest message, in octets: a certificate chain is the longest there is.
pub const LIMIT: usize = 128 * 1024;

pub use proto::channel::ConnectionId;
pub use proto::channel::engine::FromEngine;
use proto::channel::engine::{LONGEST_TEXT, cut};

/// A certificate chain and what its key, elsewhere, can sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The server name it is for; none: whatever has no other.
    pub name: Option<String>,
    /// The chain, DER, the server's own certificate first.
    pub chain: Vec<Vec<u8>>,
    /// TLS `SignatureScheme` numbers that the key can do, best first.
    pub schemes: Vec<u16>,
    /// TLS `SignatureAlgorithm` number of the key.
    pub algorithm: u8,
}

/// When a certificate may be used, for the log. Seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// The file that it was read from.
    pub file: String,
    /// Its first second.
    pub from: u64,
    /// Its last second.
    pub to: u64,
}

impl Validity {
    /// What there is to say about the certificate at a moment. It is used all the same:
    /// what the server does without TLS is not to end with it, and there are clients that
    /// do not look, as most that send mail to port 25.
    #[must_use]
    pub fn fault(&self, now: u64) -> Option<String> {
        let fault = match now {
            early if early < self.from => "the certificate is not valid yet",
            late if late > self.to => "the certificate has expired",
            _ => return None,
        };
        Some(format!("certificate: {}: {fault}; using it anyway", self.file))
    }
}

/// What is said to clients until they have logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
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
    /// What the greeting has of this session (`proto::login::timestamp`).
    pub timestamp: Vec<u8>,
}

/// Names a dialog that an engine was told.
pub type DialogId = u64;

/// From the listener to an engine.
#[derive(Debug, PartialEq, Eq)]
pub enum ToEngine {
    /// One more certificate; its key's number is the count of those before it.
    Certificate(Certificate),
    /// What to say to connections that are given with [`Self::Talk`]; in place of what
    /// had this name before.
    Dialog(DialogId, Dialog),
    /// With a channel to it: the monitor, in place of any other.
    Monitor,
    /// All certificates have been sent.
    Begin,
    /// Whether it still does its work; the answer is [`FromEngine::Ready`].
    Answer,
    /// With the client's socket, the program's control socket, and the two ends of
    /// the decrypted stream: TLS once the program asks.
    Delayed(ConnectionId),
    /// With the client's socket: TLS at once.
    Immediate(ConnectionId),
    /// With the client's socket: the dialog, and TLS as it says.
    Talk(ConnectionId, Talk),
    /// A connection given with [`Self::Talk`] is to end, as others wait.
    MakeRoom(ConnectionId),
    /// The monitor knows of the client that begins to log in.
    GoOn(ConnectionId),
    /// It does not: there can be no login now.
    NoLogin(ConnectionId),
    /// The server ends: so are all that were given with [`Self::Talk`] and have not begun
    /// to log in.
    LastWords,
    /// With the two ends of the decrypted stream: the program of a connection that
    /// was reported as [`FromEngine::Secured`].
    Program(ConnectionId),
}

/// From the keyholder to the listener.
#[derive(Debug, PartialEq, Eq)]
pub enum FromKeyholder {
    /// One more certificate.
    Certificate(Certificate),
    /// When one of them may be used.
    Validity(Validity),
    /// What belongs in the log, and is no reason not to serve.
    Warning(String),
    /// Once it is jailed, what belongs in the log: as a rule why it cannot go on.
    Says(String),
    /// Jailed and ready; all certificates have been sent. And the answer to
    /// [`crate::keyholder::ANSWER`].
    Ready,
    /// It cannot start; why, with the file's name.
    Broken(String),
}

/// From an engine to the keyholder.
#[derive(Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Which key.
    pub key: u16,
    /// TLS `SignatureScheme` number.
    pub scheme: u16,
    /// What is to be signed.
    pub message: Vec<u8>,
}

impl ToEngine {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Certificate(certificate) => Writer::new(b'c').certificate(certificate),
            Self::Dialog(id, dialog) => Writer(Writer::new(b'g').id(*id)).dialog(dialog),
            Self::Monitor => Writer::new(b'o').0,
            Self::Begin => Writer::new(b'b').0,
            Self::Answer => Writer::new(b'a').0,
            Self::Delayed(id) => Writer::new(b'd').id(*id),
            Self::Immediate(id) => Writer::new(b'i').id(*id),
            Self::Talk(id, talk) => Writer(Writer::new(b'u').id(*id)).talk(talk),
            Self::MakeRoom(id) => Writer::new(b'm').id(*id),
            Self::GoOn(id) => Writer::new(b'y').id(*id),
            Self::NoLogin(id) => Writer::new(b'n').id(*id),
            Self::LastWords => Writer::new(b'l').0,
            Self::Program(id) => Writer::new(b'p').id(*id),
        })
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let message = match reader.octet()? {
            b'c' => Self::Certificate(reader.certificate()?),
            b'g' => Self::Dialog(reader.id()?, reader.dialog()?),
            b'o' => Self::Monitor,
            b'b' => Self::Begin,
            b'a' => Self::Answer,
            b'd' => Self::Delayed(reader.id()?),
            b'i' => Self::Immediate(reader.id()?),
            b'u' => Self::Talk(reader.id()?, reader.talk()?),
            b'm' => Self::MakeRoom(reader.id()?),
            b'y' => Self::GoOn(reader.id()?),
            b'n' => Self::NoLogin(reader.id()?),
            b'l' => Self::LastWords,
            b'p' => Self::Program(reader.id()?),
            _ => return None,
        };
        reader.end(message)
    }
}

fn log_text(reader: &mut Reader<'_>) -> Option<String> {
    reader.text().filter(|text| text.len() <= LONGEST_TEXT)
}

impl FromKeyholder {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Certificate(certificate) => Writer::new(b'c').certificate(certificate),
            Self::Validity(Validity { file, from, to }) => {
                let writer = Writer(Writer::new(b'v').id(*from));
                Writer(writer.id(*to)).octets(file.as_bytes())
            }
            Self::Warning(what) => Writer::new(b'w').octets(what.as_bytes()),
            Self::Says(what) => Writer::new(b's').octets(cut(what)),
            Self::Ready => Writer::new(b'r').0,
            Self::Broken(why) => Writer::new(b'!').octets(why.as_bytes()),
        }
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let message = match reader.octet()? {
            b'c' => Self::Certificate(reader.certificate()?),
            b'v' => {
                let (from, to) = (reader.long()?, reader.long()?);
                Self::Validity(Validity { file: reader.text()?, from, to })
            }
            b'w' => Self::Warning(reader.text()?),
            b's' => Self::Says(log_text(&mut reader)?),
            b'r' => Self::Ready,
            b'!' => Self::Broken(reader.text()?),
            _ => return None,
        };
        reader.end(message)
    }
}

impl SignRequest {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer(self.key.to_be_bytes().to_vec());
        writer.0.extend_from_slice(&self.scheme.to_be_bytes());
        writer.octets(&self.message)
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let (key, scheme) = (reader.number()?, reader.number()?);
        Some(Self { key, scheme, message: reader.rest().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::login::protocol::Protocol;

    fn certificate() -> Certificate {
        Certificate {
            name: Some("mail.example.org".into()),
            chain: vec![vec![1, 2, 3], vec![], vec![4]],
            schemes: vec![0x0403, 0x0804],
            algorithm: 3,
        }
    }

    fn dialog() -> Dialog {
        let before_login = BeforeLogin {
            protocol: Protocol::Pop3,
            auth_equals: true,
            greeting: b"mail.example.org".to_vec(),
            capabilities: vec![b"8BITMIME".to_vec(), b"SIZE 1".to_vec()],
            each: 1200,
            whole: u64::MAX,
        };
        Dialog { tries: 3, before_login }
    }

    #[test]
    fn every_message_to_an_engine_reads_back_and_no_part_of_it_does() {
        let nameless = Certificate { name: None, ..certificate() };
        let timestamp = b"<7.9@mail.example.org>".to_vec();
        let talk = Talk { dialog: 2, tls: Tls::Required, auth_equals: true, timestamp };
        for message in [
            ToEngine::Certificate(certificate()),
            ToEngine::Certificate(nameless),
            ToEngine::Dialog(1, dialog()),
            ToEngine::Monitor,
            ToEngine::Begin,
            ToEngine::Answer,
            ToEngine::Delayed(1),
            ToEngine::Immediate(u64::MAX),
            ToEngine::Talk(3, talk.clone()),
            ToEngine::Talk(3, Talk { tls: Tls::On, ..talk }),
            ToEngine::MakeRoom(4),
            ToEngine::GoOn(5),
            ToEngine::NoLogin(6),
            ToEngine::LastWords,
            ToEngine::Program(0),
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
    fn every_message_about_keys_reads_back() {
        for message in [
            FromKeyholder::Certificate(certificate()),
            FromKeyholder::Validity(Validity { file: "/etc/cert.pem".into(), from: 1, to: 2 }),
            FromKeyholder::Warning("mode 644".into()),
            FromKeyholder::Says("what".into()),
            FromKeyholder::Ready,
            FromKeyholder::Broken("no such file".into()),
        ] {
            assert_eq!(FromKeyholder::decode(&message.encode()), Some(message));
        }
        let request = SignRequest { key: 1, scheme: 0x0403, message: b"sign this".to_vec() };
        assert_eq!(SignRequest::decode(&request.encode()), Some(request));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for octets in [&b""[..], b"?", b"r ", b"x\0", b"s"] {
            assert_eq!(ToEngine::decode(octets), None, "{octets:?}");
        }
        assert_eq!(FromKeyholder::decode(b"c\xff\xff\xff\xff"), None);
        assert_eq!(SignRequest::decode(b"\0\0\0"), None);
    }

    #[test]
    fn a_certificate_has_a_fault_before_its_time_and_after() {
        let validity = Validity { file: "/x".into(), from: 10, to: 20 };
        let at = |now| validity.fault(now);
        assert!(at(9).unwrap().contains("/x: the certificate is not valid yet"));
        assert_eq!([at(10), at(20)], [None, None]);
        assert!(at(21).unwrap().contains("/x: the certificate has expired"));
    }
}
