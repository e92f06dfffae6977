//! A client's connection as it is now: in the clear, or through TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::facts;
use super::tls::Subject;
use super::wide_reads::WideReads;

/// A connection whose handshake is done.
pub(super) type Tls = TlsStream<WideReads>;

/// The connection.
pub(super) enum Transport {
    Clear(WideReads),
    /// With whom the certificate is for that was shown.
    Secure(Box<Tls>, Option<Subject>),
}

impl Transport {
    /// Whether to read no more at once than is asked for.
    pub(super) fn read_narrowly(&mut self, narrow: bool) {
        match self {
            Self::Clear(socket) => socket.read_narrowly(narrow),
            Self::Secure(tls, _) => tls.get_mut().0.read_narrowly(narrow),
        }
    }

    /// What is to be said of TLS, where it is on.
    pub(super) fn facts(&self) -> Option<Vec<u8>> {
        match self {
            Self::Clear(_) => None,
            Self::Secure(tls, subject) => Some(facts::report(tls.get_ref().1, subject.as_deref())),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Secure(tls, _) => Pin::new(tls.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_write(context, octets),
            Self::Secure(tls, _) => Pin::new(tls.as_mut()).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_flush(context),
            Self::Secure(tls, _) => Pin::new(tls.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Secure(tls, _) => Pin::new(tls.as_mut()).poll_shutdown(context),
        }
    }
}
