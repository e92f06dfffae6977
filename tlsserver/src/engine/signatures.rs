//! Signatures that are made elsewhere, by the keyholder.
//!
//! A signature is a blocking round trip, while the engine does nothing else. That costs
//! the others no more than signing here would: the engine would be busy for the same time,
//! and there is an engine for each core. Rustls signs synchronously; a thread that waits in
//! the engine's stead would buy little and cost a second thread of control inside the jail.
//! The wait is bounded: a keyholder that is stuck makes no engine so. An engine without
//! signatures is of no use for new connections, and says so once.

use proto::channel::engine::FromEngine;
use proto::channel::keyholder::{Certificate, REFUSED, SignRequest};
use proto::handshake_text::HandshakeText;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use unix::descriptor_passing::{await_message, send};
use unix::shortage::overcome;

use super::ending::Reports;

/// The longest signature: RSA of 8,192 bits.
const SIGNATURE: usize = 1024;

/// How long a signature may take: some milliseconds, by the slowest key. Less than what
/// the listener waits for an engine's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds the time that is waited at this end of a keyholder's channel.
///
/// # Errors
/// The system's.
pub(super) fn bound(channel: &OwnedFd) -> io::Result<()> {
    set_socket_timeout(channel, Timeout::Recv, Some(PATIENCE))?;
    Ok(set_socket_timeout(channel, Timeout::Send, Some(PATIENCE))?)
}

/// The keyholder, as an engine knows it.
#[derive(Debug)]
pub(super) struct Keyholder {
    /// None once it has failed to answer: what it said later would answer something else.
    channel: Mutex<Option<OwnedFd>>,
    reports: Reports,
}

impl Keyholder {
    /// At the other end of a channel whose waits are bounded.
    pub(super) fn new(channel: OwnedFd, reports: Reports) -> Self {
        Self { channel: Mutex::new(Some(channel)), reports }
    }

    /// Whether signatures are made: has one made. If not, that is reported.
    pub(super) fn works(&self, Probe(key, scheme): Probe) -> bool {
        let signed = self.sign(key, scheme, &HandshakeText::of_no_handshake());
        if signed.is_err() {
            self.give_up();
        }
        signed.is_ok()
    }

    fn sign(&self, key: u16, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let request = SignRequest { key, scheme: scheme.into(), message: message.to_vec() };
        let answer = self.ask(&request.encode()).map_err(|reason| {
            self.give_up();
            Error::General(match reason.kind() {
                io::ErrorKind::WouldBlock => "keyholder: no answer".into(),
                io::ErrorKind::UnexpectedEof => "keyholder: gone".into(),
                _ => format!("keyholder: {reason}"),
            })
        })?;
        if answer == REFUSED {
            return Err(Error::General("keyholder: refused".into()));
        }
        Ok(answer)
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channel.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?;
        overcome(|| send(channel, request, &[]))?;
        let mut answer = vec![0; SIGNATURE];
        let length = await_message(channel, &mut answer)?.length;
        answer.truncate(length);
        if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }

    fn give_up(&self) {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if channel.take().is_some() {
            // The listener gone is no news here.
            let _ = self.reports.send(FromEngine::CannotSign);
        }
    }
}

/// What to ask for to see whether signatures are made: a key and a scheme of its.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe(u16, SignatureScheme);

impl Probe {
    /// By the first key of these; none where there is none.
    pub(super) fn by_first(certificates: &[Certificate]) -> Option<Self> {
        let scheme = *certificates.first()?.schemes.first()?;
        Some(Self(0, scheme.into()))
    }
}

/// A private key that is in the keyholder.
#[derive(Debug)]
pub(super) struct RemoteKey {
    number: u16,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
    keyholder: Arc<Keyholder>,
}

impl RemoteKey {
    /// The key of this number, which is this certificate's.
    pub(super) fn new(number: u16, of: &Certificate, keyholder: Arc<Keyholder>) -> Self {
        let schemes = of.schemes.iter().copied().map(SignatureScheme::from).collect();
        Self { number, schemes, algorithm: of.algorithm.into(), keyholder }
    }
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        let keyholder = self.keyholder.clone();
        Some(Box::new(RemoteSigner { number: self.number, scheme, keyholder }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

#[derive(Debug)]
struct RemoteSigner {
    number: u16,
    scheme: SignatureScheme,
    keyholder: Arc<Keyholder>,
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.keyholder.sign(self.number, self.scheme, message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
