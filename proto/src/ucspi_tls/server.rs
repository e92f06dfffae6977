//! UCSPI-TLS as the TLS server sees it: what the program asks for, and how the
//! facts of a handshake are written to it. The other side's half is [`super`].

use alloc::vec::Vec;

/// What the program wrote on the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `y`: start TLS.
    Start,
    /// `Y`: start TLS and report the facts.
    StartAndReport,
}

impl Request {
    /// Reads the request octet; anything but `y` and `Y` is none.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            b'y' => Some(Self::Start),
            b'Y' => Some(Self::StartAndReport),
            _ => None,
        }
    }
}

/// Collects the facts and writes them as the interface has them: each
/// `NAME=value` ended by NUL, one more NUL at the end, two where there is none.
#[derive(Debug, Default)]
pub struct Encoder {
    written: Vec<u8>,
}

impl Encoder {
    /// Adds a fact. A value with a NUL in it cannot be an environment variable's
    /// and would end the report early, so it is left out.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        if !value.contains(&0) {
            self.written.extend_from_slice(name.as_bytes());
            self.written.push(b'=');
            self.written.extend_from_slice(value);
            self.written.push(0);
        }
    }

    /// The whole report.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.written.is_empty() {
            self.written.push(0);
        }
        self.written.push(0);
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ucspi_tls::{Decoder, Progress};

    #[test]
    fn only_y_asks_for_tls() {
        assert_eq!(Request::from_octet(b'y'), Some(Request::Start));
        assert_eq!(Request::from_octet(b'Y'), Some(Request::StartAndReport));
        for octet in (0..=255).filter(|octet| !b"yY".contains(octet)) {
            assert_eq!(Request::from_octet(octet), None);
        }
    }

    #[test]
    fn the_report_reads_back() {
        let mut encoder = Encoder::default();
        encoder.push("SSL_PROTOCOL", b"TLSv1.3");
        encoder.push("SSL_TLS_SNI_SERVERNAME", b"a\0b");
        encoder.push("SSL_CLIENT_CERT", b"");
        let report = encoder.finish();
        assert_eq!(report, b"SSL_PROTOCOL=TLSv1.3\0SSL_CLIENT_CERT=\0\0");
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&report), Progress::Done);
        assert_eq!(decoder.into_facts().len(), 2);
    }

    #[test]
    fn nothing_to_say_is_two_nuls() {
        assert_eq!(Encoder::default().finish(), b"\0\0");
    }
}
