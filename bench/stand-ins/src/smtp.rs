//! An SMTP server that takes everything and keeps nothing.

use std::io;

use crate::stream::Stream;

const END: &[u8] = b"\r\n.\r\n";

/// Serves until QUIT.
pub(crate) fn serve(mut stream: Stream, greeting: &str) -> io::Result<()> {
    stream.reply(greeting);
    while let Some(verb) = stream.verb()? {
        match &verb {
            b"DATA" => {
                stream.reply("354 go\r\n");
                if !message(&mut stream)? {
                    return Ok(());
                }
                stream.reply("250 ok\r\n");
            }
            b"EHLO" => stream.reply("250-stand-in\r\n250 PIPELINING\r\n"),
            b"AUTH" => stream.reply("235 ok\r\n"),
            b"QUIT" => {
                stream.reply("221 bye\r\n");
                return stream.flush();
            }
            _ => stream.reply("250 ok\r\n"),
        }
    }
    Ok(())
}

/// Takes a message; says whether it came to its end.
fn message(stream: &mut Stream) -> io::Result<bool> {
    let finder = memchr::memmem::Finder::new(END);
    loop {
        let arrived = stream.arrived();
        if let Some(at) = finder.find(arrived) {
            stream.take(at + END.len());
            return Ok(true);
        }
        // The end may have begun.
        let kept = arrived.len().min(END.len() - 1);
        stream.take(arrived.len() - kept);
        if stream.more()? == 0 {
            return Ok(false);
        }
    }
}
