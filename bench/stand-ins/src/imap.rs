//! An IMAP server that lets everybody in: it answers the login that it is told of, or greets
//! and takes one, as a proxy's has to.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::stream::Stream;

/// Octets of a message that are sent at a time.
const PIECE: usize = 64 * 1024;

/// What it says first.
pub(crate) enum Opening<'a> {
    /// That this login is good.
    Answer(&'a OsStr),
    /// That the client is logged in.
    Preauth,
    /// That there is no login yet.
    Greeting,
}

/// Serves until LOGOUT.
pub(crate) fn serve(mut stream: Stream, opening: &Opening<'_>) -> io::Result<()> {
    match opening {
        Opening::Answer(tag) => done(&mut stream, tag.as_bytes()),
        Opening::Preauth => stream.reply("* PREAUTH stand-in\r\n"),
        Opening::Greeting => stream.reply("* OK [CAPABILITY IMAP4rev1] stand-in\r\n"),
    }
    // That of a command which goes on with octets that it has counted.
    let mut tag = Vec::new();
    while let Some(line) = stream.line()? {
        let mut words = line.split(|octet| octet.is_ascii_whitespace());
        let first = words.next().unwrap_or_default();
        let verb = if tag.is_empty() { words.next() } else { None };
        if tag.is_empty() {
            tag = first.to_vec();
        }
        if line.ends_with(b"}\r\n") {
            stream.reply("+ go on\r\n");
            continue;
        }
        match verb.map(<[u8]>::to_ascii_uppercase).as_deref() {
            Some(b"CAPABILITY") => stream.reply("* CAPABILITY IMAP4rev1\r\n"),
            Some(b"FETCH") => fetch(&mut stream, octets(&line))?,
            Some(b"LOGOUT") => {
                stream.reply("* BYE\r\n");
                done(&mut stream, &tag);
                return stream.flush();
            }
            _ => {}
        }
        done(&mut stream, &tag);
        tag.clear();
    }
    Ok(())
}

fn done(stream: &mut Stream, tag: &[u8]) {
    stream.reply(&String::from_utf8_lossy(tag));
    stream.reply(" OK done\r\n");
}

/// How many the client wants: `BODY[]<0.COUNT>`.
fn octets(line: &[u8]) -> usize {
    let line = String::from_utf8_lossy(line);
    let count = line.split_once("<0.").and_then(|(_, rest)| rest.split_once('>'));
    count.and_then(|(count, _)| count.parse().ok()).unwrap_or(0)
}

fn fetch(stream: &mut Stream, octets: usize) -> io::Result<()> {
    stream.reply(&format!("* 1 FETCH (BODY[]<0> {{{octets}}}\r\n"));
    let piece = "x".repeat(PIECE);
    let mut left = octets;
    while left > 0 {
        let now = left.min(PIECE);
        stream.reply(piece.get(..now).unwrap_or_default());
        stream.flush()?;
        left -= now;
    }
    stream.reply(")\r\n");
    Ok(())
}
