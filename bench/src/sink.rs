//! An SMTP server that takes everything and keeps nothing, as fast as it can: what
//! is measured is what stands before it.

use std::io::{self, Read, Write};

const PIECE: usize = 64 * 1024;
const END: &[u8] = b"\r\n.\r\n";

/// Serves one connection on standard input and output.
pub(crate) fn run() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; PIECE + END.len()];
    let mut held = 0;
    let mut say = |line: &str| output.write_all(line.as_bytes()).and_then(|()| output.flush());
    say("220 sink ESMTP\r\n")?;
    loop {
        let found = memchr::memchr(b'\n', buffer.get(..held).unwrap_or_default());
        let Some(end) = found else {
            let count = input.read(buffer.get_mut(held..).unwrap_or_default())?;
            if count == 0 {
                return Ok(());
            }
            held += count;
            continue;
        };
        let word = buffer.get(..4).unwrap_or_default().to_ascii_uppercase();
        buffer.copy_within(end + 1..held, 0);
        held -= end + 1;
        match word.as_slice() {
            b"DATA" => {
                say("354 go\r\n")?;
                if !data(&mut input, &mut buffer, &mut held)? {
                    return Ok(());
                }
                say("250 ok\r\n")?;
            }
            b"QUIT" => return say("221 bye\r\n"),
            _ => say("250 ok\r\n")?,
        }
    }
}

/// Reads to the message's end; what follows it is then at the buffer's start.
fn data(input: &mut impl Read, buffer: &mut [u8], held: &mut usize) -> io::Result<bool> {
    let finder = memchr::memmem::Finder::new(END);
    loop {
        if let Some(at) = finder.find(buffer.get(..*held).unwrap_or_default()) {
            buffer.copy_within(at + END.len()..*held, 0);
            *held -= at + END.len();
            return Ok(true);
        }
        // The end may have begun.
        let kept = (*held).min(END.len() - 1);
        buffer.copy_within(*held - kept..*held, 0);
        let count = input.read(buffer.get_mut(kept..).unwrap_or_default())?;
        if count == 0 {
            return Ok(false);
        }
        *held = kept + count;
    }
}
