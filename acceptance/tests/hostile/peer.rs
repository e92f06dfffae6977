//! The hostile client: a connection of which every octet, cut and end can be chosen.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use acceptance::chain::{Chain, Server};
use acceptance::channel::WATCHDOG;
use anyhow::{Context, Result, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::door::Stream;

/// A TLS connection over a socket that can still be got at.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A dialog over a connection. It never reads ahead, so that what follows a line is
/// there for a TLS handshake.
pub(crate) struct Peer<S> {
    pub(crate) stream: S,
}

/// Connects in the clear.
pub(crate) fn connect(server: &Server) -> Result<Peer<TcpStream>> {
    Peer::over(TcpStream::connect(("127.0.0.1", server.port))?)
}

impl Peer<TcpStream> {
    pub(crate) fn over(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(WATCHDOG))?;
        stream.set_write_timeout(Some(WATCHDOG))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Does the handshake on it.
    pub(crate) fn secure(self, trust: &Arc<ClientConfig>) -> io::Result<Peer<Tls>> {
        let mut stream = StreamOwned::new(client(trust)?, self.stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Peer { stream })
    }
}

impl Peer<Stream> {
    /// Is gone without a word: what is under way is lost, and the other side gets a reset.
    pub(crate) fn vanish(self) -> Result<()> {
        // A copy, for TLS would say goodbye otherwise.
        let socket = self.stream.socket().try_clone()?;
        drop(self);
        rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(())
    }
}

/// The client's side of one TLS connection.
pub(crate) fn client(trust: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let name = ServerName::try_from("mail.example.org").map_err(io::Error::other)?;
    ClientConnection::new(Arc::clone(trust), name).map_err(io::Error::other)
}

/// A client's configuration that trusts the chain's certificate and no other.
pub(crate) fn trust(chain: &Chain<'_>) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(chain.path("cert.pem"))?)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(Arc::new(config?.with_webpki_verifier(verifier.build()?).with_no_client_auth()))
}

impl<S: Read + Write> Peer<S> {
    /// Sends octets; whoever has left does not mind.
    pub(crate) fn say(&mut self, octets: impl AsRef<[u8]>) {
        // What comes back, or does not, tells.
        let _gone = self.stream.write_all(octets.as_ref()).and_then(|()| self.stream.flush());
    }

    /// The next line with its ending; less than that at the end.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut octet = [0];
        while line.last() != Some(&b'\n') {
            match self.stream.read(&mut octet) {
                Ok(0) => break,
                Ok(_) => line.extend_from_slice(&octet),
                Err(error) if is_end(&error) => break,
                Err(error) => return Err(error).context(format!("after {}", line.escape_ascii())),
            }
        }
        Ok(line)
    }

    /// The next reply of SMTP, all its lines; `POP3` has one line for each of those used here.
    pub(crate) fn reply(&mut self) -> Result<String> {
        let mut reply = String::new();
        loop {
            let line = String::from_utf8_lossy(&self.line()?).into_owned();
            let goes_on = line.as_bytes().get(3) == Some(&b'-') && !line.starts_with('-');
            reply.push_str(&line);
            if !goes_on {
                return Ok(reply);
            }
        }
    }

    /// Says a line and takes the reply, which must begin like this.
    pub(crate) fn ask(&mut self, line: &str, answer: &str) -> Result<String> {
        self.say(format!("{line}\r\n"));
        self.hear(answer).with_context(|| format!("after {line:?}"))
    }

    /// Takes a reply, which must begin like this.
    pub(crate) fn hear(&mut self, answer: &str) -> Result<String> {
        let reply = self.reply()?;
        ensure!(reply.starts_with(answer), "{reply:?} instead of {answer:?}");
        Ok(reply)
    }

    /// Everything until the end, whichever way that comes.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>> {
        let mut octets = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(octets),
                Ok(count) => octets.extend_from_slice(piece.split_at(count).0),
                Err(error) if is_end(&error) => return Ok(octets),
                Err(error) => {
                    return Err(error).context(format!("after {}", octets.escape_ascii()));
                }
            }
        }
    }
}

/// Closes the sending side of a socket.
pub(crate) fn half_close(socket: &TcpStream) {
    let _gone = socket.shutdown(Shutdown::Write);
}

/// The other side is gone: closed, reset, or cut off within TLS.
fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | UnexpectedEof
    )
}
