//! A mail client that shows its conversations: SMTP submission, POP3 and IMAP, with TLS.

mod imap;
mod timed;
mod tls;

use crate::deadline_lines::{self, MOST_LINES};
use crate::outcome::Error;
use crate::shown::Shown;
use proto::secret::Secret;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use timed::Timed;
use unix::log::Reason;

/// Where a server is, and whom it must be.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its name.
    pub(crate) host: String,
    /// The certificate that it must show; none where it does no TLS.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    /// Whether it waits for a load balancer's PROXY header.
    pub(crate) is_behind_balancer: bool,
    /// Whether the certificate must be one that clients trust, as well.
    pub(crate) is_verified: bool,
}

enum Stream {
    Clear(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    /// Says what a load balancer would say of this connection (version 1 of its header).
    fn introduce(&mut self) -> io::Result<()> {
        let Self::Clear(stream) = self else { return Ok(()) };
        let (from, to) = (stream.socket.local_addr()?, stream.socket.peer_addr()?);
        let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
        let (client, server) = (from.ip(), to.ip());
        write!(stream, "PROXY {family} {client} {server} {} {}\r\n", from.port(), to.port())
    }

    /// What is sent and heard by it.
    fn timed(&mut self) -> &mut Timed {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A conversation with a server.
pub(crate) struct Conversation {
    stream: BufReader<Stream>,
    server: Server,
    shown: Shown,
    /// The last reply to EHLO, or what IMAP's CAPABILITY said before the login.
    offers: Vec<String>,
    /// Lines that an answer may still have.
    lines_left: u32,
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of a line at most: by IMAP it may list all keywords of a mailbox.
const LONGEST: u64 = 1 << 16;

impl Conversation {
    /// Connects.
    pub(crate) fn connect(server: &Server) -> Result<Self, Error> {
        let socket = TcpStream::connect_timeout(&server.address, PATIENCE)
            .map_err(|error| broken("unable to connect", &error))?;
        let mut stream = Stream::Clear(Timed::new(socket, PATIENCE));
        if server.is_behind_balancer {
            stream.introduce().map_err(|error| broken("unable to write to the server", &error))?;
        }
        let stream = BufReader::new(stream);
        let server = server.clone();
        let (offers, lines_left) = (Vec::new(), MOST_LINES);
        Ok(Self { stream, server, shown: Shown::new(), offers, lines_left })
    }

    /// Starts TLS.
    fn start_tls(&mut self) -> Result<(), Error> {
        let Stream::Clear(stream) = self.stream.get_ref() else { return Ok(()) };
        let socket =
            stream.socket.try_clone().map_err(|error| broken("unable to start TLS", &error))?;
        let (stream, about) = tls::start(Timed::new(socket, PATIENCE), &self.server)?;
        self.stream = BufReader::new(Stream::Tls(Box::new(stream)));
        self.shown.tls(&about);
        self.next_answer();
        Ok(())
    }

    /// An answer is waited for, from now on.
    fn next_answer(&mut self) {
        self.stream.get_mut().timed().wait_for(PATIENCE);
        self.lines_left = MOST_LINES;
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.next_answer();
        let stream = self.stream.get_mut();
        let written = stream.write_all(octets).and_then(|()| stream.flush());
        written.map_err(|error| broken("unable to write to the server", &error))
    }

    fn send_line(&mut self, line: &str) -> Result<(), Error> {
        self.shown.client(line);
        self.write(format!("{line}\r\n").as_bytes())
    }

    /// Says something that is not to be seen.
    fn send_secret(&mut self, line: &[u8], shown: &str) -> Result<(), Error> {
        self.shown.client(shown);
        self.write(line)?;
        self.write(b"\r\n")
    }

    fn read_line(&mut self) -> Result<String, Error> {
        self.lines_left = self.lines_left.checked_sub(1).ok_or_else(|| {
            Error::new(format!("the server's answer has more than {MOST_LINES} lines"))
        })?;
        let line = deadline_lines::line(&mut self.stream, LONGEST)
            .map_err(|error| broken("unable to hear the server", &error))?
            .ok_or_else(|| Error::new("the server hung up"))?;
        self.shown.server(&line);
        Ok(line)
    }

    /// An SMTP reply, which must begin so.
    fn reply(&mut self, code: &str) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            if !line.starts_with(code) {
                return Err(Error::new(format!("the server said: {line}")));
            }
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if is_last {
                return Ok(lines);
            }
        }
    }

    /// Logs in by SMTP, TLS first.
    pub(crate) fn smtp_login(
        &mut self,
        tls: Begin,
        user: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        let hello = "EHLO client.localhost";
        self.begin(tls)?;
        self.reply("220")?;
        self.send_line(hello)?;
        self.offers = self.reply("250")?;
        if tls == Begin::OnRequest {
            self.send_line("STARTTLS")?;
            self.reply("220")?;
            self.start_tls()?;
            self.send_line(hello)?;
            self.offers = self.reply("250")?;
        }
        let line = Secret::from([b"AUTH PLAIN ", plain(user, password).expose()].concat());
        self.send_secret(line.expose(), &format!("AUTH PLAIN (user {user} and the password)"))?;
        self.reply("235").map(drop)
    }

    /// Begins messages and takes them back: one for each parameter of MAIL that was offered,
    /// and one without any.
    pub(crate) fn try_sending(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let offers: Vec<_> = self.offers.iter().filter_map(|line| line.get(4..)).collect();
        let parameters: Vec<_> = offers.iter().filter_map(|offer| parameters(offer)).collect();
        for (mail, rcpt) in [("", "")].into_iter().chain(parameters) {
            for request in [
                format!("MAIL FROM:<{from}>{mail}"),
                format!("RCPT TO:<{to}>{rcpt}"),
                "RSET".to_owned(),
            ] {
                self.send_line(&request)?;
                self.reply("250").map_err(|error| Error::new(format!("{request}: {error}")))?;
            }
        }
        Ok(())
    }

    /// Sends a message; its lines end as Unix has it.
    pub(crate) fn submit(&mut self, from: &str, to: &str, message: &str) -> Result<(), Error> {
        self.send_line(&format!("MAIL FROM:<{from}>"))?;
        self.reply("250")?;
        self.send_line(&format!("RCPT TO:<{to}>"))?;
        self.reply("250")?;
        self.send_line("DATA")?;
        self.reply("354")?;
        for line in message.lines() {
            let dot = if line.starts_with('.') { "." } else { "" };
            self.send_line(&format!("{dot}{line}"))?;
        }
        self.send_line(".")?;
        self.reply("250").map(drop)
    }

    /// Ends an SMTP session.
    pub(crate) fn smtp_quit(mut self) -> Result<(), Error> {
        self.send_line("QUIT")?;
        self.reply("221")?;
        self.close();
        Ok(())
    }

    /// Logs in by POP3, TLS first.
    pub(crate) fn pop3_login(
        &mut self,
        tls: Begin,
        user: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        self.begin(tls)?;
        self.ok()?;
        self.send_line("CAPA")?;
        self.lines()?;
        if tls == Begin::OnRequest {
            self.send_line("STLS")?;
            self.ok()?;
            self.start_tls()?;
        }
        self.send_line(&format!("USER {user}"))?;
        self.ok()?;
        let line = Secret::from([b"PASS ", password.expose()].concat());
        self.send_secret(line.expose(), "PASS (the password)")?;
        self.ok()
    }

    /// Fetches the first message; its lines end as Unix has it.
    pub(crate) fn fetch(&mut self) -> Result<String, Error> {
        self.send_line("STAT")?;
        self.ok()?;
        self.send_line("RETR 1")?;
        let lines = self.lines()?;
        let undotted = lines.iter().map(|line| line.strip_prefix('.').unwrap_or(line));
        Ok(undotted.map(|line| format!("{line}\n")).collect())
    }

    /// Ends a POP3 session.
    pub(crate) fn pop3_quit(mut self) -> Result<(), Error> {
        self.send_line("QUIT")?;
        self.ok()?;
        self.close();
        Ok(())
    }

    /// Says that nothing more comes; the server may be gone already.
    fn close(self) {
        if let Stream::Tls(mut stream) = self.stream.into_inner() {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    fn begin(&mut self, tls: Begin) -> Result<(), Error> {
        if tls == Begin::AtOnce { self.start_tls() } else { Ok(()) }
    }

    fn ok(&mut self) -> Result<(), Error> {
        let line = self.read_line()?;
        let is_ok = line.starts_with("+OK");
        if is_ok { Ok(()) } else { Err(Error::new(format!("the server said: {line}"))) }
    }

    fn lines(&mut self) -> Result<Vec<String>, Error> {
        self.ok()?;
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            if line == "." {
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the first octet.
    AtOnce,
    /// When the client asks for it.
    OnRequest,
    /// Not at all.
    Never,
}

/// Parameters of MAIL and RCPT by which a client uses what is offered.
fn parameters(offer: &str) -> Option<(&'static str, &'static str)> {
    let word = offer.split([' ', '=']).next().unwrap_or_default().to_ascii_uppercase();
    Some(match word.as_str() {
        "SIZE" => (" SIZE=1000", ""),
        "8BITMIME" => (" BODY=8BITMIME", ""),
        "BINARYMIME" => (" BODY=BINARYMIME", ""),
        "SMTPUTF8" => (" SMTPUTF8", ""),
        "DSN" => (" RET=HDRS ENVID=check", " NOTIFY=FAILURE"),
        "AUTH" => (" AUTH=<>", ""),
        _ => return None,
    })
}

/// The response of PLAIN, as it is sent.
fn plain(user: &str, password: &Secret) -> Secret {
    use base64ct::{Base64, Encoding};
    let response = Secret::from([b"\0", user.as_bytes(), b"\0", password.expose()].concat());
    let mut encoded = vec![0; Base64::encoded_len(response.expose())];
    let length = Base64::encode(response.expose(), &mut encoded).map_or(0, str::len);
    encoded.truncate(length);
    Secret::from(encoded)
}

fn broken(what: &str, error: &io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        return Error::new(format!("{what}: no answer within {} s", PATIENCE.as_secs()));
    }
    Error::new(format!("{what}: {}", Reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// A connection to a server that does this.
    fn connection(
        serve: impl FnOnce(TcpStream) + Send + 'static,
    ) -> (Conversation, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, host) = (listener.local_addr().unwrap(), String::new());
        let (certificate, is_behind_balancer, is_verified) = (None, false, false);
        let server = Server { address, host, certificate, is_behind_balancer, is_verified };
        let serving = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        (Conversation::connect(&server).unwrap(), serving)
    }

    #[test]
    fn a_mailbox_may_have_many_keywords() {
        let (mut conversation, serving) = connection(|mut client| {
            let flags = format!("* FLAGS ({})\r\ne OK\r\n", "keyword ".repeat(1000));
            client.write_all(flags.as_bytes()).unwrap();
        });
        conversation.imap_select().unwrap();
        serving.join().unwrap();
    }

    #[test]
    fn a_server_that_talks_on_and_on_is_not_listened_to_for_ever() {
        let (mut conversation, talking) = connection(|mut client| {
            // Until the client has gone.
            while client.write_all(b"220-and\r\n").is_ok() {}
        });
        let said = conversation.smtp_login(Begin::Never, "al", &Secret::from(Vec::new()));
        let said = said.unwrap_err().to_string();
        assert_eq!(said, "the server's answer has more than 100 lines");
        drop(conversation);
        talking.join().unwrap();
    }
}
