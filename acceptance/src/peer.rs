//! A client that says what it is told, from an address of its choice: a connection of which
//! every octet, cut and end can be chosen.
//!
//! Called by the tests `hostile`, `chains` and `faults`: for what no mail program would say,
//! and for many clients on one machine.

use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};
use rustix::net::{AddressFamily, SocketType, bind, socket};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection};
use test_support::client::{self, Stream};
use test_support::talking;

use crate::chain::{Chain, Server};
use crate::channel::WATCHDOG;

/// A dialog over a connection. It never reads ahead, so that what follows a line is
/// there for a TLS handshake.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub stream: Stream,
}

/// Connects in the clear.
pub fn connect(server: &Server) -> Result<Peer> {
    Ok(Peer { stream: Stream::Clear(client::connect(server.port)?) })
}

fn login(user: &[u8], password: &str) -> String {
    let response = [b"\0", user, b"\0", password.as_bytes()].concat();
    format!("AUTH PLAIN {}", Base64::encode_string(&response))
}

/// The server's name.
const NAME: &str = "mail.example.org";

/// The client's side of one TLS connection.
pub fn client(trust: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    client::client(trust, NAME)
}

/// A client's configuration that trusts the chain's certificate and no other.
pub fn trust(chain: &Chain<'_>) -> Result<Arc<ClientConfig>> {
    let certificate = CertificateDer::from_pem_file(chain.path("server.cert"))?;
    Ok(Arc::new(client::trusting(certificate, rustls::DEFAULT_VERSIONS)?))
}

impl Peer {
    /// A client of an SMTP server on loopback, from an address of that, which says `first` and
    /// is greeted then.
    pub fn greeted(from: impl Into<IpAddr>, port: u16, first: &str) -> Result<Self> {
        let from = from.into();
        let (family, to) = match from {
            IpAddr::V4(_) => (AddressFamily::INET, IpAddr::from([127, 0, 0, 1])),
            IpAddr::V6(_) => (AddressFamily::INET6, "::1".parse()?),
        };
        let socket = socket(family, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(from, 0)).with_context(|| format!("from {from}"))?;
        rustix::net::connect(&socket, &SocketAddr::new(to, port))?;
        let mut peer = Self::over(socket.into())?;
        peer.say(first);
        peer.hear("220 ")?;
        Ok(peer)
    }

    /// Tries to log in by SMTP; the reply must begin like this.
    pub fn log_in(&mut self, user: &[u8], password: &str, answer: &str) -> Result<String> {
        self.ask(&login(user, password), answer)
    }

    /// The same, and hears no reply yet.
    pub fn says_login(&mut self, user: &[u8], password: &str) {
        self.say(login(user, password) + "\r\n");
    }

    /// On a connection that there is.
    pub fn over(socket: TcpStream) -> Result<Self> {
        client::be_patient(&socket, WATCHDOG)?;
        Ok(Self { stream: Stream::Clear(socket) })
    }

    /// Does the handshake.
    pub fn secure(self, trust: &Arc<ClientConfig>) -> io::Result<Self> {
        Ok(Self { stream: self.stream.secure(trust, NAME)? })
    }

    /// Sends octets; whoever has left does not mind.
    pub fn say(&mut self, octets: impl AsRef<[u8]>) {
        // What comes back, or does not, tells.
        let _gone = self.stream.write_all(octets.as_ref()).and_then(|()| self.stream.flush());
    }

    /// The next reply of SMTP, all its lines; `POP3` has one line for each of those used here.
    pub fn reply(&mut self) -> Result<String> {
        Ok(talking::reply(&mut self.stream)?)
    }

    /// Says a line and takes the reply, which must begin like this.
    pub fn ask(&mut self, line: &str, answer: &str) -> Result<String> {
        self.say(format!("{line}\r\n"));
        self.hear(answer).with_context(|| format!("after {line:?}"))
    }

    /// Takes a reply, which must begin like this.
    pub fn hear(&mut self, answer: &str) -> Result<String> {
        let reply = self.reply()?;
        ensure!(reply.starts_with(answer), "{reply:?} instead of {answer:?}");
        Ok(reply)
    }

    /// Closes the sending side of the socket.
    pub fn half_close(&self) {
        let _gone = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Everything until the end, whichever way that comes.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        Ok(talking::rest(&mut self.stream)?)
    }
}
