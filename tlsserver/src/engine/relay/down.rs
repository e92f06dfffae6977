//! From the program to the client.

use proto::login::outcome::Heard;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::{Down, Kept, Login, Relay, SCRATCH, Up};
use crate::engine::ending::Fault;

impl<T: AsyncRead + AsyncWrite + Unpin> Relay<'_, T> {
    pub(super) fn poll_down(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.program_is_waited_for = false;
        loop {
            let done = match &mut self.down {
                Down::Ended | Down::Left => return Poll::Ready(()),
                Down::Closing => {
                    let closed = ready!(Pin::new(&mut *self.tls).poll_shutdown(context));
                    self.timer = None;
                    self.down = Down::Ended;
                    // All that was said is written. Who has gone need not be told of the end.
                    if matches!(self.up, Up::Cut(_) | Up::Ended) { Ok(()) } else { closed }
                }
                Down::Flowing(kept) if !kept.rest().is_empty() => {
                    let written = ready!(Pin::new(&mut *self.tls).poll_write(context, kept.rest()));
                    self.timer = None;
                    written.map(|count| kept.take(count))
                }
                Down::Flowing(_) => {
                    ready!(SCRATCH.with_borrow_mut(|scratch| self.read_program(context, scratch)))
                }
            };
            if let Err(reason) = done {
                self.down = Down::Ended;
                self.fail(Fault::Lost(reason));
            }
        }
    }

    /// Reads from the program, once the client has taken all of what came before,
    /// and encrypts and writes at once what the client takes.
    fn read_program(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.tls).poll_flush(context))?;
        let mut read = ReadBuf::new(scratch);
        self.program_is_waited_for = true;
        let end = ready!(self.poll_program(context, &mut read)).is_err();
        self.program_is_waited_for = false;
        if end || read.filled().is_empty() {
            let all = self.program.has_closed_all();
            self.down = if all { Down::Left } else { Down::Closing };
            return Poll::Ready(Ok(()));
        }
        let octets = read.filled();
        self.heard = if octets.ends_with(b"\n") { Heard::Lines } else { Heard::PartOfLine };
        let written = match Pin::new(&mut *self.tls).poll_write(context, octets) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.timer = None;
        if let Down::Flowing(kept) = &mut self.down {
            *kept = Kept::of(octets.get(written..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the program. Where others are to have the last word, what is there counts,
    /// and not what is known of it.
    fn poll_program(
        &mut self,
        context: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.program.output()).poll_read(context, read);
        if polled.is_ready() || !self.has_no_more_to_say() {
            return polled;
        }
        match self.program.output().read_now(read) {
            // Nobody else is there who could say the end of it.
            Poll::Pending if matches!(self.login, Login::ProgramEnded) => Poll::Ready(Ok(())),
            now => now,
        }
    }
}
