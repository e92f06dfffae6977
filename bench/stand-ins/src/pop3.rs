//! A POP3 server with an empty mailbox that lets everybody in.

use std::io;

use crate::stream::Stream;

/// Serves until QUIT.
pub(crate) fn serve(mut stream: Stream) -> io::Result<()> {
    stream.reply("+OK stand-in\r\n");
    while let Some(verb) = stream.verb()? {
        match &verb {
            b"CAPA" => stream.reply("+OK\r\nUSER\r\n.\r\n"),
            b"STAT" => stream.reply("+OK 0 0\r\n"),
            b"QUIT" => {
                stream.reply("+OK bye\r\n");
                return stream.flush();
            }
            _ => stream.reply("+OK\r\n"),
        }
    }
    Ok(())
}
