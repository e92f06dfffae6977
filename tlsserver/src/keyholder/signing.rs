//! What the keys may be used for: the signature of a TLS handshake, and no other.

use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use unix::descriptor_passing::{receive, send};

use crate::messages::SignRequest;

/// What is answered to a request that is not granted; no signature is as short.
pub const REFUSED: &[u8] = b"-";

/// How a TLS 1.3 server's signed octets begin (RFC 8446, 4.4.3).
const TLS13_PREFIX: usize = 64;
const TLS13_CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
/// TLS 1.2: two randoms, the curve (3 octets) and the public key's count (1); the
/// longest key of a curve is P-521's (RFC 8422, 5.4).
const TLS12_LENGTHS: std::ops::RangeInclusive<usize> = 64 + 4 + 32..=64 + 4 + 133;
/// A curve by its name.
const NAMED_CURVE: u8 = 3;

/// The private keys.
pub(super) struct Keys {
    keys: Vec<Arc<dyn SigningKey>>,
}

impl Keys {
    /// Holds the keys in the order in which engines number them.
    pub(super) fn new(keys: Vec<Arc<dyn SigningKey>>) -> Self {
        Self { keys }
    }

    /// Answers one request of an engine.
    ///
    /// # Errors
    /// When the engine is gone or says what is no request: it is not to be heard
    /// again.
    pub(super) fn answer(&self, engine: &OwnedFd, buffer: &mut [u8]) -> io::Result<()> {
        let message = receive(engine, buffer)?;
        let request = buffer.get(..message.length).and_then(SignRequest::decode);
        let request = request.ok_or(io::ErrorKind::InvalidData)?;
        let signature = self.sign(&request);
        send(engine, signature.as_deref().unwrap_or(REFUSED), &[])
    }

    /// The signature; none when the request is not one of a TLS handshake. An
    /// engine that was taken over can so still speak for the server while it runs,
    /// but cannot have anything else signed, such as a certificate.
    fn sign(&self, request: &SignRequest) -> Option<Vec<u8>> {
        let key = self.keys.get(usize::from(request.key))?;
        if !is_handshake(&request.message) {
            return None;
        }
        let signer = key.choose_scheme(&[SignatureScheme::from(request.scheme)])?;
        signer.sign(&request.message).ok()
    }
}

fn is_handshake(message: &[u8]) -> bool {
    is_tls13(message) || is_tls12(message)
}

fn is_tls13(message: &[u8]) -> bool {
    let Some((prefix, rest)) = message.split_at_checked(TLS13_PREFIX) else { return false };
    // What follows is a transcript's SHA-256 or SHA-384.
    prefix.iter().all(|&octet| octet == b' ')
        && rest.strip_prefix(TLS13_CONTEXT).is_some_and(|hash| matches!(hash.len(), 32 | 48))
}

fn is_tls12(message: &[u8]) -> bool {
    let kind_and_count = (message.get(64), message.get(67));
    let (Some(&kind), Some(&count)) = kind_and_count else { return false };
    TLS12_LENGTHS.contains(&message.len())
        && kind == NAMED_CURVE
        && message.len() == 64 + 4 + usize::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls13(hash: usize) -> Vec<u8> {
        [vec![b' '; 64], TLS13_CONTEXT.to_vec(), vec![7; hash]].concat()
    }

    fn tls12(count: u8) -> Vec<u8> {
        [vec![9; 64], vec![NAMED_CURVE, 0, 29, count], vec![1; usize::from(count)]].concat()
    }

    #[test]
    fn a_handshake_is_signed() {
        for message in [tls13(32), tls13(48), tls12(32), tls12(65), tls12(97)] {
            assert!(is_handshake(&message), "{message:?}");
        }
    }

    #[test]
    fn nothing_else_is() {
        let client = [vec![b' '; 64], b"TLS 1.3, client CertificateVerify\0".to_vec(), vec![7; 32]];
        let mut cut = tls12(32);
        cut.pop();
        for message in
            [vec![], tls13(31), tls13(33), client.concat(), cut, vec![3; 100], tls12(200)]
        {
            assert!(!is_handshake(&message), "{message:?}");
        }
    }
}
