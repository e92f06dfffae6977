//! How messages are written: numbers with their first octet first, and what has
//! something behind it with its length before it.

use super::{BeforeLogin, Certificate, ConnectionId, Dialog, Talk};
use proto::login::protocol::Protocol;
use proto::ucspi_tls::Tls;

/// Writes a message.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![kind])
    }

    pub(super) fn id(mut self, id: ConnectionId) -> Vec<u8> {
        self.0.extend_from_slice(&id.to_be_bytes());
        self.0
    }

    pub(super) fn octets(mut self, octets: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(octets);
        self.0
    }

    pub(super) fn counted(&mut self, octets: &[u8]) {
        // No count here comes near the limit of a message, let alone of 32 bits.
        let count = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_be_bytes());
        self.0.extend_from_slice(octets);
    }

    pub(super) fn certificate(mut self, certificate: &Certificate) -> Vec<u8> {
        // An empty name stands for none: no server has it.
        self.counted(certificate.name.as_deref().unwrap_or_default().as_bytes());
        self.0.push(certificate.algorithm);
        let schemes: Vec<u8> =
            certificate.schemes.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
        self.counted(&schemes);
        for link in &certificate.chain {
            self.counted(link);
        }
        self.0
    }

    pub(super) fn dialog(mut self, dialog: &Dialog) -> Vec<u8> {
        let BeforeLogin { protocol, auth_equals, greeting, capabilities, each, whole } =
            &dialog.before_login;
        self.0.extend([protocol.octet(), u8::from(*auth_equals)]);
        self.0.extend_from_slice(&dialog.tries.to_be_bytes());
        self.0.extend_from_slice(&each.to_be_bytes());
        self.0.extend_from_slice(&whole.to_be_bytes());
        self.counted(greeting);
        for line in capabilities {
            self.counted(line);
        }
        self.0
    }

    pub(super) fn talk(mut self, talk: &Talk) -> Vec<u8> {
        self.0.extend_from_slice(&talk.dialog.to_be_bytes());
        self.0.push(talk.auth_equals.into());
        let level = LEVELS.iter().position(|level| *level == talk.tls);
        self.0.extend(level.and_then(|level| u8::try_from(level).ok()));
        self.octets(&talk.timestamp)
    }
}

/// What of TLS there may be, by its number.
const LEVELS: [Tls; 4] = [Tls::Absent, Tls::Available, Tls::Required, Tls::On];

/// Reads a message; what is not there is `None`.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn id(&mut self) -> Option<ConnectionId> {
        self.long()
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.rest().to_vec()).ok()
    }

    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let count = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(count).ok()?)
    }

    pub(super) fn certificate(&mut self) -> Option<Certificate> {
        let name = String::from_utf8(self.counted()?.to_vec()).ok()?;
        let algorithm = self.octet()?;
        let mut numbers = Reader(self.counted()?);
        let mut schemes = Vec::new();
        while !numbers.0.is_empty() {
            schemes.push(numbers.number()?);
        }
        let mut chain = Vec::new();
        while !self.0.is_empty() {
            chain.push(self.counted()?.to_vec());
        }
        let name = Some(name).filter(|name| !name.is_empty());
        Some(Certificate { name, chain, schemes, algorithm })
    }

    fn flag(&mut self) -> Option<bool> {
        match self.octet()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn dialog(&mut self) -> Option<Dialog> {
        let (protocol, auth_equals) = (Protocol::from_octet(self.octet()?)?, self.flag()?);
        let tries = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        let (each, whole) = (self.long()?, self.long()?);
        let greeting = self.counted()?.to_vec();
        let mut capabilities = Vec::new();
        while !self.0.is_empty() {
            capabilities.push(self.counted()?.to_vec());
        }
        let before_login =
            BeforeLogin { protocol, auth_equals, greeting, capabilities, each, whole };
        Some(Dialog { tries, before_login })
    }

    pub(super) fn talk(&mut self) -> Option<Talk> {
        let (dialog, auth_equals) = (self.id()?, self.flag()?);
        let tls = LEVELS.get(usize::from(self.octet()?)).copied()?;
        Some(Talk { dialog, tls, auth_equals, timestamp: self.rest().to_vec() })
    }

    pub(super) fn end<T>(&self, message: T) -> Option<T> {
        self.0.is_empty().then_some(message)
    }
}
