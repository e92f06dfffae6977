//! The keyholder, the listener, which is root, and the engines: certificates, and signatures.
//!
//! A keyholder that was taken over has the keys; to the listener it can say what is here, and
//! the listener bounds how much.

use super::log_text;
use super::wire::{self, Field, Reader, Writer, messages};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What the listener says to the keyholder with an engine's channel.
pub const NEW_ENGINE: &[u8] = b"engine";

/// What the listener asks the keyholder to see whether it still does its work; the answer is
/// [`FromKeyholder::Ready`].
pub const ANSWER: &[u8] = b"answer";

/// What the keyholder says to a [`SignRequest`] that it does not grant; no signature is as
/// short.
pub const REFUSED: &[u8] = b"-";

/// A certificate chain and what its key, elsewhere, can sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The server name it is for; none: whatever has no other.
    pub name: Option<String>,
    /// Whom the server's own is for, on one line of printable ASCII; may be empty.
    pub subject: String,
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

messages! {
    /// From the keyholder to the listener.
    FromKeyholder:
    /// One more certificate.
    b'c' Certificate(certificate: Certificate),
    /// When one of them may be used.
    b'v' Validity(validity: Validity),
    /// What belongs in the log, and is no reason not to serve.
    b'w' Warning(what: String),
    /// Once it is jailed, what belongs in the log: as a rule why it cannot go on.
    b's' Says(what: String as log_text),
    /// Jailed and ready; all certificates have been sent. And the answer to [`ANSWER`].
    b'r' Ready,
    /// It cannot start; why, with the file's name.
    b'!' Broken(why: String),
}

/// From an engine to the keyholder; the answer is the signature, or [`REFUSED`].
#[derive(Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Which key.
    pub key: u16,
    /// TLS `SignatureScheme` number.
    pub scheme: u16,
    /// What is to be signed.
    pub message: Vec<u8>,
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

impl Field for Validity {
    fn write(&self, writer: Writer) -> Writer {
        writer.long(self.from).long(self.to).octets(self.file.as_bytes())
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (from, to) = (reader.long()?, reader.long()?);
        Some(Self { file: reader.text()?, from, to })
    }
}

impl Field for Certificate {
    fn write(&self, writer: Writer) -> Writer {
        let schemes: Vec<u8> =
            self.schemes.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
        // An empty name stands for none: no server has it.
        writer
            .counted(self.name.as_deref().unwrap_or_default().as_bytes())
            .counted(self.subject.as_bytes())
            .octet(self.algorithm)
            .counted(&schemes)
            .each_counted(&self.chain)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_utf8(reader.counted()?.to_vec()).ok()?;
        let subject = String::from_utf8(reader.counted()?.to_vec()).ok()?;
        // It comes into the environment of programs.
        if !subject.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            return None;
        }
        let algorithm = reader.octet()?;
        let mut numbers = Reader(reader.counted()?);
        let mut schemes = Vec::new();
        while !numbers.is_at_end() {
            schemes.push(numbers.short()?);
        }
        let name = Some(name).filter(|name| !name.is_empty());
        Some(Self { name, subject, chain: reader.each_counted()?, schemes, algorithm })
    }
}

impl SignRequest {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::default().short(self.key).short(self.scheme).octets(&self.message).done()
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let (key, scheme) = (reader.short()?, reader.short()?);
        Some(Self { key, scheme, message: reader.rest().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    impl Certificate {
        /// One with something of everything.
        pub(in crate::channel) fn example() -> Self {
            Self {
                name: Some("mail.example.org".into()),
                subject: "/CN=mail.example.org".into(),
                chain: vec![vec![1, 2, 3], vec![], vec![4]],
                schemes: vec![0x0403, 0x0804],
                algorithm: 3,
            }
        }
    }

    #[test]
    fn every_message_reads_back() {
        let certificate = Certificate::example();
        for message in [
            FromKeyholder::Certificate(Certificate { name: None, ..certificate.clone() }),
            FromKeyholder::Certificate(certificate),
            FromKeyholder::Validity(Validity { file: "/etc/cert.pem".into(), from: 1, to: 2 }),
            FromKeyholder::Warning("mode 644".into()),
            FromKeyholder::Says("what".into()),
            FromKeyholder::Ready,
            FromKeyholder::Broken("no such file".into()),
        ] {
            assert_eq!(FromKeyholder::decode(&message.encode()), Some(message));
        }
        let request = SignRequest { key: 1, scheme: 0x0403, message: b"sign this".to_vec() };
        assert_eq!(request.encode(), b"\0\x01\x04\x03sign this");
        assert_eq!(SignRequest::decode(&request.encode()), Some(request));
    }

    #[test]
    fn what_is_no_message_is_none() {
        let half_a_scheme = b"c\0\0\0\0\0\0\0\0\x03\0\0\0\x01\x04";
        let two_lines = b"c\0\0\0\0\0\0\0\x01\n\x03\0\0\0\x02\x04\x03";
        for octets in [
            &b""[..],
            b"?",
            b"r ",
            b"w\xff",
            b"v\0",
            b"c\xff\xff\xff\xff",
            half_a_scheme,
            two_lines,
        ] {
            assert_eq!(FromKeyholder::decode(octets), None, "{octets:?}");
        }
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
