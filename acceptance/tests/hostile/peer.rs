//! The hostile client: a connection of which every octet, cut and end can be chosen.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use acceptance::chain::{Chain, Server};
use acceptance::channel::WATCHDOG;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection};
use test_support::client::{self, Stream};

/// A dialog over a connection. It never reads ahead, so that what follows a line is
/// there for a TLS handshake.
pub(crate) struct Peer {
    pub(crate) stream: Stream,
}

/// Connects in the clear.
pub(crate) fn connect(server: &Server) -> Result<Peer> {
    Ok(Peer { stream: Stream::Clear(client::connect(server.port)?) })
}

/// The server's name.
const NAME: &str = "mail.example.org";

/// The client's side of one TLS connection.
pub(crate) fn client(trust: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    client::client(trust, NAME)
}

/// A client's configuration that trusts the chain's certificate and no other.
pub(crate) fn trust(chain: &Chain<'_>) -> Result<Arc<ClientConfig>> {
    let certificate = CertificateDer::from_pem_file(chain.path("cert.pem"))?;
    Ok(Arc::new(client::trusting(certificate, rustls::DEFAULT_VERSIONS)?))
}

impl Peer {
    pub(crate) fn over(socket: TcpStream) -> Result<Self> {
        client::be_patient(&socket, WATCHDOG)?;
        Ok(Self { stream: Stream::Clear(socket) })
    }

    /// Does the handshake.
    pub(crate) fn secure(self, trust: &Arc<ClientConfig>) -> io::Result<Self> {
        Ok(Self { stream: self.stream.secure(trust, NAME)? })
    }

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

    /// Closes the sending side of the socket.
    pub(crate) fn half_close(&self) {
        let _gone = self.stream.socket().shutdown(Shutdown::Write);
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

/// The other side is gone: closed, reset, or cut off within TLS.
fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | UnexpectedEof
    )
}
