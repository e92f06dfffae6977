//! A client's connection, in the clear or within TLS, of which each step is the caller's.

use crate::wait::PATIENCE;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// A connection within TLS, over a socket that can still be got at.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection, until TLS begins and then.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Clear(TcpStream),
    /// Within TLS.
    Tls(Box<Tls>),
}

/// Connects to a port of 127.0.0.1. Nothing is waited for without end, nor held back.
///
/// # Errors
/// The system's.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    be_patient(&socket, PATIENCE)?;
    Ok(socket)
}

/// Waits for so long at each step, and holds nothing back.
///
/// # Errors
/// The system's.
pub fn be_patient(socket: &TcpStream, patience: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    socket.set_nodelay(true)
}

/// A client's configuration that trusts this certificate and no other.
///
/// # Errors
/// When it is no certificate, or there is none of the versions.
pub fn trusting(
    certificate: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(io::Error::other)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.build().map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let config = config.map_err(io::Error::other)?;
    Ok(config.with_webpki_verifier(verifier).with_no_client_auth())
}

/// The client's side of one TLS connection with a server of that name.
///
/// # Errors
/// When it is no name.
pub fn client(config: &Arc<ClientConfig>, name: &str) -> io::Result<ClientConnection> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)
}

/// Does the handshake on a socket.
///
/// # Errors
/// The system's, or TLS's.
pub fn secure(socket: TcpStream, config: &Arc<ClientConfig>, name: &str) -> io::Result<Tls> {
    let mut tls = StreamOwned::new(client(config, name)?, socket);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

impl Stream {
    /// The same with what may be in TLS already, and stays so.
    ///
    /// # Errors
    /// The system's, or TLS's.
    pub fn secure(self, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        match self {
            Self::Clear(socket) => Ok(Self::Tls(Box::new(secure(socket, config, name)?))),
            within => Ok(within),
        }
    }

    /// What is below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// Goes without a word: what is under way is lost, and the other side gets a reset.
    ///
    /// # Errors
    /// The system's.
    pub fn reset(self) -> io::Result<()> {
        // A copy, for TLS would say goodbye otherwise.
        let socket = self.socket().try_clone()?;
        drop(self);
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.read(space),
            Self::Tls(tls) => tls.read(space),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.write(octets),
            Self::Tls(tls) => tls.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
