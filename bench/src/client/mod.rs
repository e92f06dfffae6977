//! The load generator's client: SMTP, POP3 and IMAP that wait for every answer, as real
//! clients do.

pub(crate) mod load;
mod tls;

use base64ct::{Base64, Encoding};
use rustls::ClientConfig;
use std::io::{self, Read, Write};
use std::sync::Arc;
use test_support::client::{Stream, connect};

pub(crate) use tls::client_config;

use crate::service::{PASSWORD, Protocol, USER};

/// Commands wait for their answers, so that one tag is enough.
const TAG: &str = "a ";
const GOOD: &[u8] = b"a OK";

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    None,
    /// With STARTTLS or STLS.
    Start,
    /// With the first octet.
    Immediate,
}

/// What a client says from the greeting to QUIT, or LOGOUT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conversation {
    pub(crate) protocol: Protocol,
    pub(crate) security: Security,
    pub(crate) login: bool,
    /// Octets of one message, about; 0: none. POP3: whether STAT is asked. IMAP fetches it.
    pub(crate) message: usize,
}

impl Conversation {
    /// One whole session.
    pub(crate) fn run(&self, port: u16, config: &Arc<ClientConfig>) -> io::Result<()> {
        let mut open = self.open(port, config)?;
        self.transact(&mut open)?;
        self.quit(&mut open)?;
        if let Stream::Tls(tls) = &mut open {
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        Ok(())
    }

    /// Connects, and comes as far as the login, or TLS, or the greeting.
    pub(crate) fn open(&self, port: u16, config: &Arc<ClientConfig>) -> io::Result<Stream> {
        let mut open = Stream::Clear(connect(port)?);
        if self.security == Security::Immediate {
            open = open.secure(config, "localhost")?;
        }
        self.answer(&mut open)?;
        if self.security == Security::Start {
            self.hello(&mut open)?;
            let start = if self.protocol == Protocol::Pop3 { "STLS" } else { "STARTTLS" };
            self.command(&mut open, start)?;
            open = open.secure(config, "localhost")?;
        }
        if self.security != Security::None || self.login || self.message > 0 {
            self.hello(&mut open)?;
        }
        if self.login {
            self.log_in(&mut open)?;
        }
        Ok(open)
    }

    fn hello(&self, open: &mut Stream) -> io::Result<()> {
        match self.protocol {
            Protocol::Smtp => self.command(open, "EHLO client.example.org"),
            Protocol::Pop3 | Protocol::Imap => Ok(()),
        }
    }

    pub(crate) fn quit(&self, open: &mut Stream) -> io::Result<()> {
        self.command(open, if self.protocol == Protocol::Imap { "LOGOUT" } else { "QUIT" })
    }

    fn log_in(&self, open: &mut Stream) -> io::Result<()> {
        match self.protocol {
            Protocol::Smtp => {
                let plain = Base64::encode_string(format!("\0{USER}\0{PASSWORD}").as_bytes());
                self.command(open, &format!("AUTH PLAIN {plain}"))
            }
            Protocol::Pop3 => {
                self.command(open, &format!("USER {USER}"))?;
                self.command(open, &format!("PASS {PASSWORD}"))
            }
            Protocol::Imap => self.command(open, &format!("LOGIN {USER} {PASSWORD}")),
        }
    }

    /// Sends the message, or asks for STAT.
    pub(crate) fn transact(&self, open: &mut Stream) -> io::Result<()> {
        if self.message == 0 {
            return Ok(());
        }
        if self.protocol == Protocol::Pop3 {
            return self.command(open, "STAT");
        }
        if self.protocol == Protocol::Imap {
            return self.fetch(open);
        }
        for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
            self.command(open, line)?;
        }
        let line = [&[b'x'; 76][..], b"\r\n"].concat();
        let lines = self.message.div_ceil(line.len());
        let piece = line.repeat(lines.min(800));
        let mut left = self.message;
        while left > piece.len() {
            open.write_all(&piece)?;
            left -= piece.len();
        }
        let kept = line.len() * left.div_ceil(line.len());
        let end = [piece.get(..kept).unwrap_or(&piece), b".\r\n"].concat();
        open.write_all(&end)?;
        open.flush()?;
        self.answer(open)
    }

    /// Fetches a message, of which only the end is kept, with the answer behind it.
    fn fetch(&self, open: &mut Stream) -> io::Result<()> {
        write!(open, "{TAG}FETCH 1 BODY.PEEK[]<0.{}>\r\n", self.message)?;
        open.flush()?;
        let mut piece = vec![0; 64 * 1024];
        let (mut count, mut end) = (0, Vec::new());
        loop {
            let read = open.read(&mut piece)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count += read;
            end.extend_from_slice(piece.get(..read).unwrap_or_default());
            end.drain(..end.len().saturating_sub(128));
            // Before all of it has come, its octets could look like an answer.
            match self.judge(&end).filter(|_| count > self.message) {
                None => {}
                Some(true) => return Ok(()),
                Some(false) => return Err(io::Error::other(String::from_utf8_lossy(&end))),
            }
        }
    }

    pub(crate) fn command(&self, open: &mut Stream, line: &str) -> io::Result<()> {
        let tag = if self.protocol == Protocol::Imap { TAG } else { "" };
        open.write_all(format!("{tag}{line}\r\n").as_bytes())?;
        open.flush()?;
        self.answer(open)
    }

    /// Reads one reply, of however many lines; only a good one will do.
    fn answer(&self, open: &mut Stream) -> io::Result<()> {
        let mut held = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = open.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            held.extend_from_slice(piece.get(..count).unwrap_or_default());
            match self.judge(&held) {
                None => {}
                Some(true) => return Ok(()),
                Some(false) => return Err(io::Error::other(String::from_utf8_lossy(&held))),
            }
        }
    }

    /// Whether the reply is a good one; nothing while it is not all there.
    fn judge(&self, reply: &[u8]) -> Option<bool> {
        let last = reply.strip_suffix(b"\r\n")?.rsplit(|&octet| octet == b'\n').next()?;
        match (self.protocol, last) {
            (Protocol::Smtp, [first, _, _, b' ', ..]) => Some(matches!(first, b'2' | b'3')),
            (Protocol::Smtp, _) => None,
            (Protocol::Pop3, line) => Some(line.first() == Some(&b'+')),
            (Protocol::Imap, line) if line.starts_with(TAG.as_bytes()) => {
                Some(line.starts_with(GOOD))
            }
            // The greeting comes alone.
            (Protocol::Imap, line) if reply.starts_with(b"* OK") => {
                (reply.len() == line.len() + 2).then_some(true)
            }
            (Protocol::Imap, _) => None,
        }
    }
}
