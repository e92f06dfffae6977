//! A stand-in for the laxest SMTP server that there may be: CR, LF and both end a line,
//! NULs are dropped, and a dot between any two line endings ends a message.
//!
//! No real server that Debian has is as lax, and the tests of smuggling need one that
//! falls for every end of data that somebody somewhere fell for. It stores each message
//! it takes as a file of its own in the folder that it is given.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: lax-server FOLDER")?;
    let mut input = io::stdin().lock();
    say("220 lax")?;
    while let Some(line) = next_line(&mut input)? {
        let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_slice() {
            // The LF of CRLF, or an empty line: nobody answers those.
            b"" => {}
            b"DATA" => {
                say("354 go on")?;
                take_message(&mut input, Path::new(&folder))?;
            }
            b"QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
    Ok(())
}

/// Octets up to a CR or an LF, without NULs; none once there are no more. A line that is
/// cut off is none.
fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let Some(&octet) = input.fill_buf()?.first() else {
            return Ok(None);
        };
        input.consume(1);
        match octet {
            b'\r' | b'\n' => return Ok(Some(line)),
            0 => {}
            other => line.push(other),
        }
    }
}

/// A message that is cut off is none.
fn take_message(input: &mut impl BufRead, folder: &Path) -> Result<()> {
    let mut message = Vec::new();
    while let Some(line) = next_line(input)? {
        if line == b"." {
            let name = format!("{}.{}", std::process::id(), fs::read_dir(folder)?.count());
            fs::write(folder.join(name), message)?;
            return say("250 taken");
        }
        message.extend_from_slice(&line);
        message.push(b'\n');
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(format!("{line}\r\n").as_bytes())?;
    output.flush()?;
    Ok(())
}
