//! Carries bytes both ways between a TLS connection and a program.
//!
//! Each direction holds at most one piece that the other side has not taken, and
//! reads no more until it has: whoever is slow makes the other wait. A direction
//! that has ended leaves the other alone. An idle connection holds no buffer: all
//! directions of an engine read into one piece of scratch, and only what was not
//! taken is kept.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep};

use super::session::{Ended, TRUNCATED, lost, took_nothing};

/// What is read at once: four TLS records of the greatest size, so that their
/// encryption ends in one write.
const PIECE: usize = 64 * 1024;
/// The most that one record carries.
const RECORD: usize = 16 * 1024;
/// How long a client may take no byte of what a program that has ended left.
const STALL: Duration = Duration::from_secs(60);
/// How long to wait for the client's end after ours: closing earlier, with bytes
/// of the client unread, would make the system take back what we sent last.
pub(super) const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// Relays until both directions have ended. `unread`: what the client has said and
/// nobody has taken; the program reads it first.
pub(super) async fn relay<T>(
    tls: T,
    unread: Vec<u8>,
    input: UnixStream,
    output: UnixStream,
) -> Ended
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay {
        tls,
        input,
        output,
        up: Up::Flowing(Kept { octets: unread, taken: 0 }),
        down: Down::Flowing(Kept::default()),
        input_closed: false,
        program_is_waited_for: false,
        timer: None,
        failure: None,
    };
    poll_fn(|context| relay.poll(context)).await;
    relay.failure.map_or(Ok(()), Err)
}

struct Relay<T> {
    /// The decrypted side of the connection; what is below it is not known here.
    tls: T,
    input: UnixStream,
    output: UnixStream,
    up: Up,
    down: Down,
    /// The program has closed what it reads; as a rule because it has ended.
    input_closed: bool,
    /// The client has taken all that there is; more has to come from the program.
    program_is_waited_for: bool,
    timer: Option<Pin<Box<Sleep>>>,
    failure: Option<String>,
}

/// From the client to the program.
enum Up {
    Flowing(Kept),
    /// The program takes nothing any more; what comes is read and dropped, so that
    /// the client is not stuck and its end is seen.
    Discarding,
    Ended,
}

/// From the program to the client.
enum Down {
    Flowing(Kept),
    /// The program has ended its output: `close_notify` is on its way.
    Closing,
    Ended,
}

/// What the other side has not taken yet.
#[derive(Default)]
struct Kept {
    octets: Vec<u8>,
    taken: usize,
}

impl Kept {
    fn rest(&self) -> &[u8] {
        self.octets.get(self.taken..).unwrap_or_default()
    }

    fn keep(&mut self, octets: &[u8]) {
        *self = Self { octets: octets.to_vec(), taken: 0 };
    }

    /// Drops what was taken, and the memory with the last of it.
    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.octets.len() {
            *self = Self::default();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Relay<T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.watch_input(context);
        let up = self.poll_up(context);
        let down = self.poll_down(context);
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(context, down.is_ready())
    }

    /// Notices that the program has closed its input, also while nothing is to be
    /// written to it.
    fn watch_input(&mut self, context: &mut Context<'_>) {
        while !self.input_closed {
            let mut space = [0; 64];
            let mut ignored = ReadBuf::new(&mut space);
            match Pin::new(&mut self.input).poll_read(context, &mut ignored) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !ignored.filled().is_empty() => {}
                Poll::Ready(_) => self.input_closed = true,
            }
        }
        if matches!(self.up, Up::Flowing(_)) {
            self.up = Up::Discarding;
        }
    }

    fn poll_up(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.up {
                Up::Ended => return Poll::Ready(()),
                Up::Flowing(kept) if !kept.rest().is_empty() => {
                    match ready!(Pin::new(&mut self.input).poll_write(context, kept.rest())) {
                        Ok(count) => kept.take(count),
                        Err(_) => self.up = Up::Discarding,
                    }
                }
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
            match Pin::new(&mut self.input).poll_write(context, octets) {
                Poll::Ready(Ok(count)) => kept.keep(octets.get(count..).unwrap_or_default()),
                Poll::Ready(Err(_)) => self.up = Up::Discarding,
                Poll::Pending => kept.keep(octets),
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
            match ready!(Pin::new(&mut self.tls).poll_read(context, read)) {
                Ok(()) if read.filled().len() > before => {}
                Ok(()) => return Poll::Ready(ClientEnd::Closed),
                Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(ClientEnd::Truncated);
                }
                Err(reason) => return Poll::Ready(ClientEnd::Broken(reason)),
            }
        }
    }

    /// The client has said its last; the program reads an end.
    fn end_up(&mut self, context: &mut Context<'_>, end: ClientEnd) {
        let program_waits = matches!(self.up, Up::Flowing(_));
        self.up = Up::Ended;
        // Never pending: it is a system call on a local socket.
        let _ = Pin::new(&mut self.input).poll_shutdown(context);
        match end {
            ClientEnd::Closed => {}
            // Many clients are not polite enough to close a connection that the
            // program has closed already. That is no truncation of anything.
            ClientEnd::Truncated if program_waits && matches!(self.down, Down::Flowing(_)) => {
                self.fail(TRUNCATED.into());
            }
            ClientEnd::Truncated => {}
            ClientEnd::Broken(reason) => {
                self.down = Down::Ended;
                if program_waits {
                    self.fail(lost(&reason));
                }
            }
        }
    }

    fn poll_down(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.program_is_waited_for = false;
        loop {
            let done = match &mut self.down {
                Down::Ended => return Poll::Ready(()),
                Down::Closing => {
                    let closed = ready!(Pin::new(&mut self.tls).poll_shutdown(context));
                    self.timer = None;
                    self.down = Down::Ended;
                    closed
                }
                Down::Flowing(kept) if !kept.rest().is_empty() => {
                    let written = ready!(Pin::new(&mut self.tls).poll_write(context, kept.rest()));
                    self.timer = None;
                    written.map(|count| kept.take(count))
                }
                Down::Flowing(_) => {
                    ready!(SCRATCH.with_borrow_mut(|scratch| self.read_program(context, scratch)))
                }
            };
            if let Err(reason) = done {
                self.down = Down::Ended;
                self.fail(lost(&reason));
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
        ready!(Pin::new(&mut self.tls).poll_flush(context))?;
        let mut read = ReadBuf::new(scratch);
        self.program_is_waited_for = true;
        let end = ready!(Pin::new(&mut self.output).poll_read(context, &mut read)).is_err();
        self.program_is_waited_for = false;
        if end || read.filled().is_empty() {
            self.down = Down::Closing;
            return Poll::Ready(Ok(()));
        }
        let octets = read.filled();
        let written = match Pin::new(&mut self.tls).poll_write(context, octets) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.timer = None;
        if let Down::Flowing(kept) = &mut self.down {
            kept.keep(octets.get(written..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }

    /// Bounds what goes on after the program's end: the writing out of the rest,
    /// for as long as the client takes something, and then the wait for its end.
    fn poll_timer(&mut self, context: &mut Context<'_>, down_has_ended: bool) -> Poll<()> {
        if !self.input_closed || self.program_is_waited_for {
            return Poll::Pending;
        }
        let bound = if down_has_ended { LINGER } else { STALL };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(bound)));
        ready!(timer.as_mut().poll(context));
        if !down_has_ended {
            self.fail(took_nothing(STALL));
        }
        Poll::Ready(())
    }

    /// Keeps the first reason: those that follow are its consequences.
    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}

enum ClientEnd {
    /// With `close_notify`.
    Closed,
    /// Without: anybody on the way could have cut the connection here.
    Truncated,
    /// By an error of the network or of the TLS connection.
    Broken(io::Error),
}

#[cfg(test)]
mod tests;
