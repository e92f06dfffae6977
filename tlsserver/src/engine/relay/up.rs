//! From the client to the program.

use std::io;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use zeroize::Zeroize;

use super::STALL;
use super::state::{Down, Kept, ProgramStream, Relay, SCRATCH, Up};
use crate::engine::ending::{ClientEnd, Fault};
use crate::engine::local_socket::is_gone;

/// The most that one record carries.
const RECORD: usize = 16 * 1024;
/// About so much of what a client says is kept while nobody may hear it.
pub(super) const HELD: usize = 4 * 1024;
/// How long a program has to end by itself, whose client has gone without `close_notify`.
pub(super) const BY_ITSELF: Duration = Duration::from_secs(1);

impl<T: AsyncRead + AsyncWrite + Unpin> Relay<'_, T> {
    /// Notices that the program has closed its input, also while nothing is to be
    /// written to it.
    pub(super) fn watch_input(&mut self, context: &mut Context<'_>) {
        while !self.input_closed {
            let ProgramStream::Pair { input, .. } = &mut self.program else { return };
            let mut space = [0; 64];
            let mut ignored = ReadBuf::new(&mut space);
            match Pin::new(input).poll_read(context, &mut ignored) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !ignored.filled().is_empty() => {}
                Poll::Ready(_) => self.input_closed = true,
            }
        }
        if matches!(self.up, Up::Flowing(_) | Up::Stuck(..)) {
            self.up = Up::Discarding;
        }
    }

    pub(super) fn poll_up(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let program_has_closed = self.program_has_closed();
            match &mut self.up {
                Up::Ended => return Poll::Ready(()),
                Up::Cut(_) if program_has_closed => self.end_up(context, ClientEnd::Closed),
                Up::Cut(patience) => {
                    ready!(patience.as_mut().poll(context));
                    self.fail(Fault::Truncated);
                    self.end_up(context, ClientEnd::Closed);
                }
                Up::Held(unread) if unread.len() >= HELD => return Poll::Pending,
                Up::HeldToEnd(_) => return Poll::Pending,
                Up::Held(_) => {
                    let read =
                        SCRATCH.with_borrow_mut(|scratch| self.hold_client(context, scratch));
                    if let Err(end) = ready!(read) {
                        self.end_held(context, end);
                    }
                }
                Up::Stuck(..) => ready!(self.write_kept(context)),
                Up::Flowing(kept) if !kept.rest().is_empty() => ready!(self.write_kept(context)),
                Up::Flowing(_) | Up::Discarding => {
                    let read =
                        SCRATCH.with_borrow_mut(|scratch| self.read_client(context, scratch));
                    if let Err(end) = ready!(read) {
                        self.end_up(context, end);
                    }
                }
            }
        }
    }

    /// Writes what the program has not taken. Where it has ended, what it has left behind may
    /// never take it, and the client's end is to be seen all the same.
    fn write_kept(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let program_has_ended = self.program_has_ended();
        let (Up::Flowing(kept) | Up::Stuck(kept, _)) = &mut self.up else {
            return Poll::Ready(());
        };
        match Pin::new(self.program.input()).poll_write(context, kept.rest()) {
            Poll::Ready(Ok(count)) => {
                kept.take(count);
                self.up = Up::Flowing(take(kept));
            }
            Poll::Ready(Err(reason)) => self.discard(reason),
            Poll::Pending => match &mut self.up {
                Up::Stuck(_, patience) => {
                    ready!(patience.as_mut().poll(context));
                    self.up = Up::Discarding;
                }
                Up::Flowing(kept) if program_has_ended => {
                    self.up = Up::Stuck(take(kept), Box::pin(sleep(STALL)));
                }
                _ => return Poll::Pending,
            },
        }
        Poll::Ready(())
    }

    /// The program takes no more: it has closed its input, or there is no way to write to it.
    fn discard(&mut self, reason: io::Error) {
        self.up = Up::Discarding;
        if !is_gone(&reason) {
            self.fail(Fault::Descriptor(reason));
        }
    }

    /// Reads from the client what is not for the program yet: not all of it, but its end is
    /// seen.
    fn hold_client(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<Result<(), ClientEnd>> {
        let space = scratch.get_mut(..HELD).unwrap_or_default();
        let mut read = ReadBuf::new(space);
        ready!(Pin::new(&mut *self.tls).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err(ClientEnd::Closed));
        }
        if let Up::Held(unread) = &mut self.up {
            unread.append(read.filled());
        }
        read.filled_mut().zeroize();
        Poll::Ready(Ok(()))
    }

    /// The end of a client of whom the program has heard nothing. It may hear of the end
    /// alone, but not before what the client has said.
    fn end_held(&mut self, context: &mut Context<'_>, end: ClientEnd) {
        match &mut self.up {
            Up::Held(unread) if !unread.is_empty() && !matches!(end, ClientEnd::Broken(_)) => {
                self.up = Up::HeldToEnd(take(unread));
            }
            _ => self.end_up(context, end),
        }
    }

    /// Reads from the client and writes at once what the program takes.
    fn read_client(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<Result<(), ClientEnd>> {
        let mut read = ReadBuf::new(scratch);
        let end = self.gather(context, &mut read);
        if read.filled().is_empty() {
            return end.map(Err);
        }
        // An end behind the octets is there to be found again.
        if let Up::Flowing(kept) = &mut self.up {
            let octets = read.filled();
            match Pin::new(self.program.input()).poll_write(context, octets) {
                Poll::Ready(Ok(count)) => *kept = Kept::of(octets.get(count..).unwrap_or_default()),
                Poll::Ready(Err(reason)) => self.discard(reason),
                Poll::Pending => *kept = Kept::of(octets),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads record after record while there are some and room for one more, so that
    /// the program gets them in one write. Ready only with the client's end.
    fn gather(&mut self, context: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<ClientEnd> {
        loop {
            let before = read.filled().len();
            if before > 0 && read.remaining() < RECORD {
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut *self.tls).poll_read(context, read)) {
                Ok(()) if read.filled().len() > before => {}
                Ok(()) => return Poll::Ready(ClientEnd::Closed),
                Err(reason) => return Poll::Ready(reason.into()),
            }
        }
    }

    /// The client has said its last; the program reads an end, unless it may be about to
    /// end by itself.
    fn end_up(&mut self, context: &mut Context<'_>, end: ClientEnd) {
        let program_waits = matches!(self.up, Up::Flowing(_)) && !self.program_has_closed();
        if matches!(end, ClientEnd::Truncated) && program_waits {
            self.up = Up::Cut(Box::pin(sleep(BY_ITSELF)));
            return;
        }
        self.up = Up::Ended;
        // Never pending: it is a system call on a local socket.
        let _ = Pin::new(self.program.input()).poll_shutdown(context);
        if let ClientEnd::Broken(reason) = end {
            self.down = Down::Ended;
            if program_waits {
                self.fail(Fault::Lost(reason));
            }
        }
    }
}
