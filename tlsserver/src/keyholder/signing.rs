//! What the keys may be used for: the signature of a TLS handshake, and no other.

use proto::channel::keyholder::{REFUSED, SignRequest};
use proto::handshake_text::HandshakeText;
use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;
use unix::descriptor_passing::send;
use unix::shortage::overcome_until;

use crate::incoming::{Incoming, take};

/// The private keys.
pub(super) struct Keys {
    keys: Vec<Arc<dyn SigningKey>>,
}

impl Keys {
    /// Holds the keys in the order in which engines number them.
    pub(super) fn new(keys: Vec<Arc<dyn SigningKey>>) -> Self {
        Self { keys }
    }

    /// Answers one request of an engine, for which it has until then.
    ///
    /// # Errors
    /// When the engine is gone or says what is no request: it is not to be heard
    /// again.
    pub(super) fn answer(
        &self,
        engine: &OwnedFd,
        buffer: &mut [u8],
        until: Instant,
    ) -> io::Result<()> {
        let request = match take(engine, buffer, SignRequest::decode) {
            Incoming::Message(request) => request,
            Incoming::Nothing => return Ok(()),
            Incoming::End => return Err(io::ErrorKind::InvalidData.into()),
        };
        let signature = self.sign(&request);
        let answer = signature.as_deref().unwrap_or(REFUSED);
        overcome_until(until, || send(engine, answer, &[]))
    }

    /// The signature; none when the request is not one of a TLS handshake. An
    /// engine that was taken over can so still speak for the server while it runs,
    /// but cannot have anything else signed, such as a certificate.
    fn sign(&self, request: &SignRequest) -> Option<Vec<u8>> {
        let key = self.keys.get(usize::from(request.key))?;
        if !HandshakeText::of(&request.message)?.may_have(request.scheme) {
            return None;
        }
        let signer = key.choose_scheme(&[SignatureScheme::from(request.scheme)])?;
        signer.sign(&request.message).ok()
    }
}

#[cfg(test)]
mod tests;
