//! `demo-pop3-from-maildir MAILDIR`: a small POP3 server for demonstrations and tests,
//! not for use. It begins where somebody is logged in, and reads one Maildir.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(maildir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        complain("usage: demo-pop3-from-maildir MAILDIR");
        return ExitCode::from(1);
    };
    match messages(&maildir).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{}: {error}", maildir.display()));
            ExitCode::from(1)
        }
    }
}

fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "demo-pop3-from-maildir: {what}");
}

/// A message, and whether it is to go at the end.
struct Message {
    path: PathBuf,
    content: Vec<u8>,
    is_deleted: bool,
}

/// Of `new` and `cur`, the oldest first.
fn messages(maildir: &Path) -> io::Result<Vec<Message>> {
    let mut messages = Vec::new();
    for folder in ["new", "cur"] {
        for entry in maildir.join(folder).read_dir()? {
            let path = entry?.path();
            messages.push(Message { content: std::fs::read(&path)?, path, is_deleted: false });
        }
    }
    messages.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(messages)
}

fn serve(mut messages: Vec<Message>) -> io::Result<()> {
    say("+OK demo-pop3-from-maildir")?;
    loop {
        let mut line = Vec::new();
        io::stdin().lock().take(1024).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "STAT" => {
                let (count, octets) = totals(&messages);
                say(&format!("+OK {count} {octets}"))?;
            }
            "LIST" => list(&messages, argument, |message| octets(message).to_string())?,
            "UIDL" => list(&messages, argument, name)?,
            "RETR" => match find(&mut messages, argument) {
                Some(message) => retrieve(&message.content)?,
                None => say("-ERR no such message")?,
            },
            "DELE" => match find(&mut messages, argument) {
                Some(message) => {
                    message.is_deleted = true;
                    say("+OK")?;
                }
                None => say("-ERR no such message")?,
            },
            "RSET" => {
                messages.iter_mut().for_each(|message| message.is_deleted = false);
                say("+OK")?;
            }
            "CAPA" => say("+OK\r\nUIDL\r\n.")?,
            "NOOP" => say("+OK")?,
            "QUIT" => {
                for message in messages.iter().filter(|message| message.is_deleted) {
                    std::fs::remove_file(&message.path)?;
                }
                return say("+OK goodbye");
            }
            _ => say("-ERR unimplemented")?,
        }
    }
}

fn say(reply: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(format!("{reply}\r\n").as_bytes())?;
    output.flush()
}

/// The size on the wire, where lines end in CRLF.
fn octets(message: &Message) -> usize {
    message.content.len() + message.content.iter().filter(|&&octet| octet == b'\n').count()
}

fn name(message: &Message) -> String {
    message.path.file_name().map_or_else(String::new, |name| name.display().to_string())
}

fn totals(messages: &[Message]) -> (usize, usize) {
    let kept = messages.iter().filter(|message| !message.is_deleted);
    kept.fold((0, 0), |(count, sum), message| (count + 1, sum + octets(message)))
}

fn find<'a>(messages: &'a mut [Message], number: &str) -> Option<&'a mut Message> {
    let index = number.trim().parse::<usize>().ok()?.checked_sub(1)?;
    messages.get_mut(index).filter(|message| !message.is_deleted)
}

/// LIST and UIDL, of one message or of all.
fn list(messages: &[Message], argument: &str, of: impl Fn(&Message) -> String) -> io::Result<()> {
    let kept: Vec<_> = (1..).zip(messages).filter(|(_, message)| !message.is_deleted).collect();
    if argument.is_empty() {
        let lines: String =
            kept.iter().map(|(number, message)| format!("{number} {}\r\n", of(message))).collect();
        return say(&format!("+OK\r\n{lines}."));
    }
    let wanted = argument.trim().parse::<usize>().ok();
    match kept.iter().find(|(number, _)| Some(*number) == wanted) {
        Some((number, message)) => say(&format!("+OK {number} {}", of(message))),
        None => say("-ERR no such message"),
    }
}

fn retrieve(content: &[u8]) -> io::Result<()> {
    let mut wire = b"+OK\r\n".to_vec();
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    let mut output = io::stdout().lock();
    output.write_all(&wire)?;
    output.flush()
}
