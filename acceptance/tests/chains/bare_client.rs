//! A client that says what it is told, from an address of its choice: for names and
//! passwords that no mail program would send, and for many clients on one machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// When to give up on an answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct BareClient {
    stream: BufReader<TcpStream>,
}

impl BareClient {
    /// Connects, and takes the greeting.
    pub(crate) fn connect(from: IpAddr, port: u16) -> Result<Self> {
        Self::connect_saying("", from, port)
    }

    /// The same, with something said first.
    pub(crate) fn connect_saying(first: &str, from: IpAddr, port: u16) -> Result<Self> {
        let (family, to) = match from {
            IpAddr::V4(_) => (AddressFamily::INET, IpAddr::from([127, 0, 0, 1])),
            IpAddr::V6(_) => (AddressFamily::INET6, "::1".parse()?),
        };
        let socket = socket(family, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(from, 0)).with_context(|| format!("from {from}"))?;
        connect(&socket, &SocketAddr::new(to, port))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream: BufReader::new(stream) };
        client.stream.get_mut().write_all(first.as_bytes())?;
        client.hear()?;
        Ok(client)
    }

    /// Its own address and port.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.stream.get_ref().local_addr()?)
    }

    /// Says a line, and gives the answer to it.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.hear()
    }

    /// Tries to log in by SMTP; gives the answer.
    pub(crate) fn log_in(&mut self, user: &[u8], password: &str) -> Result<String> {
        let response = [b"\0", user, b"\0", password.as_bytes()].concat();
        self.ask(&format!("AUTH PLAIN {}", Base64::encode_string(&response)))
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the server has hung up");
        Ok(line)
    }
}
