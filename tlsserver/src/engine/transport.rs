//! A client's connection as it is now: in the clear, or through TLS.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::facts;
use super::tls::Subject;
use super::wide_reads::WideReads;

/// A connection whose handshake is done.
pub(super) type Tls = TlsStream<WideReads>;

/// What is talked through.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin {
    /// Takes over the last that is to be said, as far as its end can go with it, in one piece:
    /// what is flushed next.
    fn take_last(&mut self, _words: &mut Vec<u8>) {}
}

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

    /// The client's socket.
    pub(super) fn socket(&self) -> &WideReads {
        match self {
            Self::Clear(socket) => socket,
            Self::Secure(tls, _) => tls.get_ref().0,
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

impl Connection for Transport {
    fn take_last(&mut self, words: &mut Vec<u8>) {
        if let Self::Secure(tls, _) = self {
            let session = tls.get_mut().1;
            let taken = session.writer().write(words).unwrap_or_default();
            words.drain(..taken);
            if words.is_empty() {
                session.send_close_notify();
            }
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
            Self::Secure(tls, _) => {
                let read = Pin::new(tls.as_mut()).poll_read(context, buffer);
                if tls.get_ref().1.wants_write() {
                    // What TLS itself has to say to what it has read: a client that asks for
                    // renegotiation waits for a refusal. If it fails, the next write does, too.
                    let _ = Pin::new(tls.as_mut()).poll_flush(context);
                }
                read
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::held_back::HeldBack;
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::Read;
    use std::sync::Arc;
    use std::thread;
    use test_support::certificate::Pem;
    use test_support::client::{connect, secure, trusting};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    #[tokio::test]
    async fn the_end_of_tls_goes_with_the_last_words() {
        let pem = Pem::of(&["localhost"]);
        let certificate = CertificateDer::from_pem_slice(pem.certificate.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let trusts = Arc::new(trusting(certificate, rustls::ALL_VERSIONS).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = thread::spawn(move || {
            let mut tls = secure(connect(port).unwrap(), &trusts, "localhost").unwrap();
            let mut heard = String::new();
            // Fails where the connection ends without TLS's end, or does not end.
            tls.read_to_string(&mut heard).unwrap();
            heard
        });
        let socket = WideReads::new(HeldBack::new(listener.accept().await.unwrap().0));
        let tls = TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
        let mut server = Transport::Secure(Box::new(tls), None);
        let mut words = b"bye".to_vec();
        server.take_last(&mut words);
        assert_eq!(words, b"");
        server.flush().await.unwrap();
        assert_eq!(client.join().unwrap(), "bye");
    }
}
