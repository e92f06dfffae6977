//! Carries bytes both ways between a TLS connection and a program.
//!
//! Each direction holds at most one piece that the other side has not taken, and
//! reads no more until it has: whoever is slow makes the other wait. A direction
//! that has ended leaves the other alone. An idle connection holds no buffer: all
//! directions of an engine read into one piece of scratch, and only what was not
//! taken is kept.

use proto::login::outcome::Outcome;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Sleep, sleep};
use zeroize::Zeroize;

use super::desk::{Word, Words};
use super::session::{Ended, TRUNCATED, lost, took_nothing};
use super::unread::Unread;

/// What is read at once: four TLS records of the greatest size, so that their
/// encryption ends in one write.
const PIECE: usize = 64 * 1024;
/// The most that one record carries.
const RECORD: usize = 16 * 1024;
/// About so much of what a client says is kept while nobody may hear it.
const HELD: usize = 4 * 1024;
/// How long a client may take no byte of what a program that has ended left.
const STALL: Duration = Duration::from_secs(60);
/// How long a program has to end by itself, whose client has gone without `close_notify`.
const BY_ITSELF: Duration = Duration::from_secs(1);
/// How long to wait for the client's end after ours: closing earlier, with bytes
/// of the client unread, would make the system take back what we sent last.
pub(super) const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// Relays until both directions have ended.
pub(super) async fn relay<T>(mut tls: T, program: Program) -> Ended
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay::new(&mut tls, program, None);
    poll_fn(|context| relay.poll(context)).await;
    relay.failure.map_or(Ok(()), Err)
}

/// Relays a session that may be none: what the program writes goes to the client, but
/// what the client says goes to the program only once the login is known to be good, or
/// the program has spoken. `unread`: what the client has said behind its login already;
/// the program reads it first.
///
/// Ends when the program has closed its stream, when it has ended and is not to have the
/// last word, or when both directions have ended. The connection is still there then.
pub(super) async fn session<T>(
    client: &mut T,
    unread: Unread,
    stream: UnixStream,
    words: Option<&mut Words>,
) -> Finished
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay::new(client, Program::Stream(stream), words);
    relay.up = Up::Held(unread);
    poll_fn(|context| relay.poll(context)).await;
    let gone = matches!(relay.down, Down::Ended);
    let unread = match relay.up {
        Up::Held(unread) | Up::HeldToEnd(unread) => unread,
        Up::Flowing(kept) => Unread::from(kept.rest()),
        Up::Discarding | Up::Cut(_) | Up::Ended => Unread::default(),
    };
    let (said, outcome, failure) = (relay.said, relay.outcome, relay.failure);
    Finished { unread, said, outcome, gone, failure }
}

/// What is left of a session.
pub(super) struct Finished {
    /// What the client has said, and the program was not given.
    pub(super) unread: Unread,
    /// The program has said something.
    pub(super) said: bool,
    /// What became of the login, if that is known.
    pub(super) outcome: Option<Outcome>,
    /// Nothing more can be said to the client.
    pub(super) gone: bool,
    /// What went wrong with the connection.
    pub(super) failure: Option<String>,
}

/// The inner side of the connection.
pub(super) enum Program {
    /// One stream each way.
    Pair { input: UnixStream, output: UnixStream },
    /// One stream for both ways.
    Stream(UnixStream),
}

impl Program {
    const fn input(&mut self) -> &mut UnixStream {
        match self {
            Self::Pair { input, .. } | Self::Stream(input) => input,
        }
    }

    const fn output(&mut self) -> &mut UnixStream {
        match self {
            Self::Pair { output, .. } | Self::Stream(output) => output,
        }
    }

    /// Whether the program has closed the one stream, and not only its own direction.
    fn has_closed_all(&self) -> bool {
        let Self::Stream(stream) = self else { return false };
        let mut polled = [PollFd::new(stream, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut polled, Some(&now)).is_ok()
            && polled.iter().any(|one| one.revents().contains(PollFlags::HUP))
    }
}

struct Relay<'a, T> {
    /// The decrypted side of the connection; what is below it is not known here.
    tls: &'a mut T,
    program: Program,
    /// Where the monitor says what becomes of a login, where there is one and until it has.
    words: Option<&'a mut Words>,
    outcome: Option<Outcome>,
    /// The program has said something.
    said: bool,
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
    /// Nothing goes there yet; some of it is kept.
    Held(Unread),
    /// The client has said its last meanwhile.
    HeldToEnd(Unread),
    Flowing(Kept),
    /// The program takes nothing any more; what comes is read and dropped, so that
    /// the client is not stuck and its end is seen.
    Discarding,
    /// The client has gone without `close_notify`, as many do once they have their answer to
    /// QUIT. The program is not told yet: where it ends by itself, it has all that it wanted.
    Cut(Pin<Box<Sleep>>),
    Ended,
}

/// From the program to the client.
enum Down {
    Flowing(Kept),
    /// The program has ended its output: `close_notify` is on its way.
    Closing,
    /// The program has closed its stream; there may be last words of others.
    Left,
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

impl Up {
    const fn is_held(&self) -> bool {
        matches!(self, Self::Held(_) | Self::HeldToEnd(_))
    }
}

impl<'a, T: AsyncRead + AsyncWrite + Unpin> Relay<'a, T> {
    fn new(tls: &'a mut T, program: Program, words: Option<&'a mut Words>) -> Self {
        Self {
            tls,
            program,
            words,
            outcome: None,
            said: false,
            up: Up::Flowing(Kept::default()),
            down: Down::Flowing(Kept::default()),
            input_closed: false,
            program_is_waited_for: false,
            timer: None,
            failure: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.hear(context);
        self.watch_input(context);
        let mut up = self.poll_up(context);
        let down = self.poll_down(context);
        if self.said && self.up.is_held() {
            self.let_client_speak();
            up = self.poll_up(context);
        }
        if matches!(self.up, Up::Cut(_)) {
            up = self.poll_up(context);
        }
        if matches!(self.down, Down::Left) || (up.is_ready() && down.is_ready()) {
            return Poll::Ready(());
        }
        if self.program_is_waited_for && self.has_no_more_to_say() {
            return Poll::Ready(());
        }
        self.poll_timer(context, down.is_ready())
    }

    /// Hears what the monitor says.
    fn hear(&mut self, context: &mut Context<'_>) {
        while let Some(words) = &mut self.words {
            let Poll::Ready(word) = words.poll_recv(context) else { return };
            match word {
                Some(Word::LoggedIn) => self.let_client_speak(),
                Some(Word::Stream(_)) => {}
                Some(Word::Outcome(outcome)) => {
                    self.outcome = Some(outcome);
                    self.words = None;
                }
                // The monitor is gone. Whoever was told of a session has one.
                None => self.words = None,
            }
        }
    }

    /// Whether others are to have the last word: the program has ended and is not to have
    /// it, or nobody is left who could say that there is a session.
    const fn has_no_more_to_say(&self) -> bool {
        match self.outcome {
            Some(Outcome::Completed(_)) => false,
            Some(_) => true,
            None => self.words.is_none() && self.up.is_held(),
        }
    }

    /// What the client says is for the program now.
    fn let_client_speak(&mut self) {
        if let Up::Held(unread) | Up::HeldToEnd(unread) = &mut self.up {
            let octets = unread.octets().to_vec();
            self.up = Up::Flowing(Kept { octets, taken: 0 });
        }
    }

    /// Notices that the program has closed its input, also while nothing is to be
    /// written to it.
    fn watch_input(&mut self, context: &mut Context<'_>) {
        while !self.input_closed {
            let Program::Pair { input, .. } = &mut self.program else { return };
            let mut space = [0; 64];
            let mut ignored = ReadBuf::new(&mut space);
            match Pin::new(input).poll_read(context, &mut ignored) {
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
            let program_has_closed = self.program_has_closed();
            match &mut self.up {
                Up::Ended => return Poll::Ready(()),
                Up::Cut(_) if program_has_closed => self.end_up(context, ClientEnd::Closed),
                Up::Cut(patience) => {
                    ready!(patience.as_mut().poll(context));
                    self.fail(TRUNCATED.into());
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
                Up::Flowing(kept) if !kept.rest().is_empty() => {
                    let input = Pin::new(self.program.input());
                    match ready!(input.poll_write(context, kept.rest())) {
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

    /// Reads from the client what is not for the program yet: not all of it, but its end is
    /// seen.
    fn hold_client(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<Result<(), ClientEnd>> {
        let space = scratch.get_mut(..HELD).unwrap_or_default();
        let mut read = ReadBuf::new(space);
        match ready!(Pin::new(&mut *self.tls).poll_read(context, &mut read)) {
            Ok(()) if read.filled().is_empty() => return Poll::Ready(Err(ClientEnd::Closed)),
            Ok(()) => {}
            Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Err(ClientEnd::Truncated));
            }
            Err(reason) => return Poll::Ready(Err(ClientEnd::Broken(reason))),
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
                self.up = Up::HeldToEnd(std::mem::take(unread));
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
            match ready!(Pin::new(&mut *self.tls).poll_read(context, read)) {
                Ok(()) if read.filled().len() > before => {}
                Ok(()) => return Poll::Ready(ClientEnd::Closed),
                Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(ClientEnd::Truncated);
                }
                Err(reason) => return Poll::Ready(ClientEnd::Broken(reason)),
            }
        }
    }

    /// Whether the program wants nothing more of the client, or has no more to say to it.
    const fn program_has_closed(&self) -> bool {
        self.input_closed || !matches!(self.down, Down::Flowing(_))
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
                self.fail(lost(&reason));
            }
        }
    }

    fn poll_down(&mut self, context: &mut Context<'_>) -> Poll<()> {
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
        self.said = true;
        let octets = read.filled();
        let written = match Pin::new(&mut *self.tls).poll_write(context, octets) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.timer = None;
        if let Down::Flowing(kept) = &mut self.down {
            kept.keep(octets.get(written..).unwrap_or_default());
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
        let space = read.initialize_unfilled();
        match rustix::net::recv(self.program.output(), space, RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                read.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
            Err(reason) => Poll::Ready(Err(reason.into())),
        }
    }

    /// Bounds what goes on after the program's end: the writing out of the rest,
    /// for as long as the client takes something, and then the wait for its end.
    fn poll_timer(&mut self, context: &mut Context<'_>, down_has_ended: bool) -> Poll<()> {
        let has_ended = self.input_closed || self.outcome.is_some();
        if !has_ended || self.program_is_waited_for {
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
