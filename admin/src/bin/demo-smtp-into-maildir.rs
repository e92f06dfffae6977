//! `demo-smtp-into-maildir [MAILDIR]`: a small SMTP server for demonstrations and
//! tests, not for use. Whatever it is sent by standard input goes into one Maildir,
//! `$HOME/Maildir` if not another, whoever it is for.
//!
//! One message at a time, up to [`LARGEST`] octets, no extensions but PIPELINING and
//! 8BITMIME.

#![forbid(unsafe_code)]

use proto::names::Variable;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use unix::environment::inherited;

/// The largest message that is taken, in octets; and the longest line.
const LARGEST: u64 = 10 * 1024 * 1024;

fn main() -> ExitCode {
    let home = inherited(Variable::Home).map(|home| PathBuf::from(home).join("Maildir"));
    let Some(maildir) = std::env::args_os().nth(1).map(PathBuf::from).or(home) else {
        complain("no MAILDIR, and no HOME");
        return ExitCode::from(1);
    };
    match serve(&maildir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{}: {error}", maildir.display()));
            ExitCode::from(1)
        }
    }
}

fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "demo-smtp-into-maildir: {what}");
}

/// What has been said about the message to come.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    has_recipient: bool,
}

fn serve(maildir: &Path) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut envelope = Envelope::default();
    let mut delivered = 0;
    say("220 demo-smtp-into-maildir ESMTP")?;
    while let Some(line) = line(&mut input)? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => say("250-demo-smtp-into-maildir\r\n250-PIPELINING\r\n250 8BITMIME")?,
            "HELO" => say("250 demo-smtp-into-maildir")?,
            "MAIL" => {
                envelope = Envelope { sender: Some(address(argument)), has_recipient: false };
                say("250 sender ok")?;
            }
            "RCPT" if envelope.sender.is_some() => {
                envelope.has_recipient = true;
                say("250 recipient ok")?;
            }
            "DATA" if envelope.has_recipient => {
                say("354 go ahead")?;
                let sender = envelope.sender.take().unwrap_or_default();
                envelope = Envelope::default();
                match message(&mut input)? {
                    Some(message) => {
                        delivered += 1;
                        deliver(maildir, &sender, &message, delivered)?;
                        say("250 delivered")?;
                    }
                    None => say("552 too large")?,
                }
            }
            "RCPT" | "DATA" => say("503 MAIL and RCPT first")?,
            "RSET" => {
                envelope = Envelope::default();
                say("250 ok")?;
            }
            "NOOP" => say("250 ok")?,
            "QUIT" => return say("221 goodbye"),
            _ => say("502 unimplemented")?,
        }
    }
    Ok(())
}

fn say(reply: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(format!("{reply}\r\n").as_bytes())?;
    output.flush()
}

/// A line without its ending; `None` at the end of the input.
fn line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(LARGEST).read_until(b'\n', &mut line)?;
    let Some(text) = line.strip_suffix(b"\n") else { return Ok(None) };
    Ok(Some(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
}

/// A message with Unix line endings; `None` where it is too large.
fn message(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut is_too_large = false;
    loop {
        let Some(line) = line(input)? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if line == b"." {
            return Ok((!is_too_large).then_some(message));
        }
        is_too_large |= (message.len() + line.len()) as u64 > LARGEST;
        if !is_too_large {
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            message.push(b'\n');
        }
    }
}

/// `FROM:<address> ...`, made fit for a header.
fn address(argument: &str) -> String {
    let address = argument.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map_or("", |(address, _)| address).chars().filter(char::is_ascii_graphic).collect()
}

/// Into `tmp`, then into `new`, so that nobody sees half a message.
fn deliver(maildir: &Path, sender: &str, message: &[u8], number: u32) -> io::Result<()> {
    for folder in ["tmp", "new", "cur"] {
        DirBuilder::new().recursive(true).mode(0o700).create(maildir.join(folder))?;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros, pid) = (now.as_secs(), now.subsec_micros(), std::process::id());
    let name = format!("{seconds}.M{micros}P{pid}Q{number}.demo");
    let temporary = maildir.join("tmp").join(&name);
    let mut file = File::create_new(&temporary)?;
    writeln!(file, "Return-Path: <{sender}>")?;
    file.write_all(message)?;
    file.sync_all()?;
    std::fs::rename(&temporary, maildir.join("new").join(&name))
}
