//! What is said to a client until it has logged in. The words are authup's, and
//! `proto::login` has them; here they are sent and received, in the clear or through TLS.

use proto::channel::engine::{DialogSetup, Talk};
use proto::login::outcome::{Heard, Outcome};
use proto::login::reply::Refusal;
use proto::login::{Attempt, Login, Step};
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;
use std::cell::RefCell;
use std::future::{self, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use zeroize::Zeroize;

use super::ending::{ClientEnd, Cut, Ended, Fault, LINGER, Stay};
use super::transport::Connection;
use super::unread::Unread;

/// What is read at once: more than any ordinary command, or many.
const PIECE: usize = 4 * 1024;

/// What a read costs, in octets, however little it brings.
const READ: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// What the conversation came to.
pub(super) enum Turn {
    /// The client has been told to start TLS.
    StartTls,
    /// The client wants to log in. What comes of it is told with
    /// [`Conversation::outcome`].
    LogIn(Attempt),
    /// There is nothing more to say; the exit code that authup would have.
    Over(u8),
    /// Nor could the client have anything to say here.
    OtherProtocol(OtherProtocol),
}

/// One client's.
pub(super) struct Conversation {
    dialog: Login,
    tls_is_on: bool,
    /// What the client has said and was not taken yet.
    unread: Unread,
    /// How long to wait for each input and output.
    io_timeout: Duration,
    /// When all of it must be over.
    login_deadline: Instant,
    /// How many octets were read and written since others had their turn.
    done: usize,
    /// How the client's side has ended, until that is answered.
    end: Option<ClientEnd>,
    stay: Stay,
}

impl Conversation {
    /// One that begins.
    pub(super) fn new(dialog: DialogSetup, talk: Talk, cut: oneshot::Receiver<Cut>) -> Self {
        let mut said = dialog.before_login;
        said.auth_equals = talk.auth_equals;
        let io_timeout = seconds(said.io_timeout);
        let login_deadline = Instant::now() + seconds(said.login_timeout);
        let config = said.config(talk.tls, dialog.tries, talk.timestamp);
        Self {
            dialog: Login::new(config),
            tls_is_on: talk.tls == Tls::On,
            unread: Unread::default(),
            io_timeout,
            login_deadline,
            done: 0,
            end: None,
            stay: Stay::Granted(cut),
        }
    }

    pub(super) const fn begins_with_tls(&self) -> bool {
        self.tls_is_on
    }

    /// TLS is on, if it was not from the beginning.
    pub(super) fn tls_started(&mut self) {
        if !self.tls_is_on {
            self.tls_is_on = true;
            self.dialog.tls_started();
        }
    }

    /// What the client has said and was not taken, for whom it is meant.
    pub(super) fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    /// What a program was given and has not taken: the next command.
    pub(super) fn put_back(&mut self, unread: Unread) {
        self.unread = unread;
    }

    /// What became of a login.
    pub(super) fn outcome(&mut self, outcome: Outcome) {
        self.dialog.outcome(outcome);
    }

    /// What became of one behind which a session may have been.
    pub(super) fn session_ended(&mut self, outcome: Outcome, heard: Heard) {
        self.dialog.session_ended(outcome, heard);
    }

    /// There is no time for a login any more.
    pub(super) fn give_up(&mut self) {
        self.dialog.abandon(self.why_it_ends());
    }

    /// Why the client may stay no longer.
    pub(super) const fn cut(&self) -> Option<Cut> {
        self.stay.cut()
    }

    const fn why_it_ends(&self) -> Refusal {
        match self.cut() {
            Some(Cut::ServerEnds) => Refusal::ShuttingDown,
            Some(Cut::Evicted) | None => Refusal::TimedOut,
        }
    }

    /// What is awaited, unless others wait meanwhile.
    pub(super) async fn unless_cut<T>(&mut self, awaited: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            // First, for what is awaited of a client that talks on and on is always there.
            () = self.stay.ends() => None,
            awaited = awaited => Some(awaited),
        }
    }

    /// The same, unless it takes longer, too.
    async fn patiently<T>(
        &mut self,
        limit: Duration,
        awaited: impl Future<Output = T>,
    ) -> Option<T> {
        timeout(limit, self.unless_cut(awaited)).await.ok().flatten()
    }

    /// The same of what would leave the client without a word if the server's end cut it short:
    /// a handshake, or an answer. That has a while more then; an eviction does not wait.
    pub(super) async fn finish<T>(
        &mut self,
        limit: Duration,
        awaited: impl Future<Output = T>,
    ) -> Option<T> {
        let mut awaited = pin!(awaited);
        if self.cut().is_none() {
            tokio::select! {
                biased;
                // What can be done at once is, whatever was told meanwhile.
                done = awaited.as_mut() => return Some(done),
                _ = self.patiently(limit, pending::<()>()) => {}
            }
        }
        let more = match self.cut()? {
            Cut::ServerEnds => LINGER,
            Cut::Evicted => Duration::ZERO,
        };
        timeout(more, awaited).await.ok()
    }

    /// Goes on until something else is to be done. An error is of the network, and what
    /// the log should say.
    pub(super) async fn go_on<S>(&mut self, client: &mut S) -> Result<Turn, Fault>
    where
        S: Connection,
    {
        // Answers to what came in one piece go in one piece.
        let mut replies = Vec::new();
        let turn = loop {
            if replies.len() >= PIECE {
                self.write(client, &mut replies).await?;
                // Who has much to answer may not have to be waited for before the end of it.
                if self.patiently(Duration::ZERO, future::ready(())).await.is_none() {
                    self.give_up();
                }
            }
            match self.dialog.step() {
                Step::Send(reply) => replies.extend_from_slice(reply),
                Step::NeedInput => {
                    if self.unread.is_empty() {
                        // What is held back of a handshake may go with what comes first.
                        if !replies.is_empty() {
                            self.write(client, &mut replies).await?;
                        }
                        self.read(client).await;
                    } else {
                        let taken = self.dialog.push_lines(self.unread.octets());
                        self.unread.take(taken);
                    }
                }
                // A TLS server that talks itself knows that it can start.
                Step::CheckTls => self.dialog.tls_checked(true),
                Step::StartTls => break Turn::StartTls,
                Step::Login(attempt) => break Turn::LogIn(attempt),
                Step::End(code) => break Turn::Over(code),
                Step::OtherProtocol(spoken) => break Turn::OtherProtocol(spoken),
            }
        };
        if matches!(turn, Turn::Over(_) | Turn::OtherProtocol(_)) {
            client.take_last(&mut replies);
        }
        self.write(client, &mut replies).await?;
        Ok(turn)
    }

    async fn read<S: AsyncRead + Unpin>(&mut self, client: &mut S) {
        // An idle connection holds no buffer.
        self.unread = Unread::default();
        let now = Instant::now();
        // Who always has something more to say never has to be waited for.
        if now >= self.login_deadline {
            return self.dialog.abandon(Refusal::TimedOut);
        }
        let limit = self.io_timeout.min(self.login_deadline - now);
        let mut unread = self.take_unread();
        let before = unread.len();
        let read = poll_fn(|context| poll_read(client, context, &mut unread));
        let read = self.patiently(limit, read).await;
        self.let_others(READ + unread.len() - before).await;
        self.unread = unread;
        self.dialog.abandon(match read {
            Some(Ok(true)) => return,
            Some(end) => {
                self.end = Some(match end {
                    // In the clear, a reset is how those end who only look for open ports.
                    Err(reason) if self.tls_is_on || !is_reset(&reason) => reason.into(),
                    _ => ClientEnd::Closed,
                });
                Refusal::InputEnded
            }
            None => self.why_it_ends(),
        });
    }

    /// Sends what is written already, in the same time.
    pub(super) async fn flush<S: AsyncWrite + Unpin>(&mut self, client: &mut S) -> Ended {
        self.write(client, &mut Vec::new()).await
    }

    /// Writes all of it, in the time that one output has.
    async fn write<S>(&mut self, client: &mut S, replies: &mut Vec<u8>) -> Ended
    where
        S: AsyncWrite + Unpin,
    {
        let limit = self.time_for_output();
        let written = async {
            client.write_all(replies).await?;
            client.flush().await
        };
        let written = self.finish(limit, written).await;
        self.let_others(replies.len()).await;
        replies.clear();
        match (self.end.take(), written) {
            // The client's end explains all that comes of it.
            (Some(ClientEnd::Closed), _) | (None, Some(Ok(()))) => Ok(()),
            (Some(ClientEnd::Truncated), _) => Err(Fault::Truncated),
            (Some(ClientEnd::Broken(reason)), _) | (None, Some(Err(reason))) => {
                Err(Fault::Lost(reason))
            }
            (None, None) => Err(self.cut().map_or(Fault::Stalled(limit), Fault::Cut)),
        }
    }

    /// Lets the engine's other clients have their turn once so much was done for this one,
    /// whose words may come faster than they can be answered: the sockets alone would have
    /// it wait only after a hundred of their reads, of sixteen pieces each.
    async fn let_others(&mut self, done: usize) {
        self.done += done;
        if self.done >= PIECE {
            self.done = 0;
            yield_now().await;
        }
    }

    /// How long all of it may still take.
    pub(super) fn time_left(&self) -> Duration {
        self.login_deadline.saturating_duration_since(Instant::now())
    }

    /// No longer than all of it may take, but that the client can be told so.
    fn time_for_output(&self) -> Duration {
        self.io_timeout.min(self.time_left().max(LINGER))
    }

    /// Says that there is nothing more to say, and waits a while for the client's end.
    pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(&self, mut client: S) -> Ended {
        let closed = async {
            let mut ignored = Unread::default();
            client.shutdown().await?;
            while poll_fn(|context| poll_read(&mut client, context, &mut ignored)).await? {
                ignored = Unread::default();
            }
            io::Result::Ok(())
        };
        let limit = if self.cut().is_none() { LINGER } else { Duration::ZERO };
        // What comes of it changes nothing.
        let _ = timeout(limit, closed).await;
        Ok(())
    }
}

fn is_reset(reason: &io::Error) -> bool {
    reason.kind() == io::ErrorKind::ConnectionReset
}

/// As long as the clock can tell.
fn seconds(number: u64) -> Duration {
    Duration::from_secs(number.min(u32::MAX.into()))
}

/// Appends what has arrived; false at the client's end.
fn poll_read<S: AsyncRead + Unpin>(
    client: &mut S,
    context: &mut Context<'_>,
    unread: &mut Unread,
) -> Poll<io::Result<bool>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut piece = ReadBuf::new(scratch);
        ready!(Pin::new(client).poll_read(context, &mut piece))?;
        unread.append(piece.filled());
        let more = !piece.filled().is_empty();
        // A password may have been among it.
        piece.filled_mut().zeroize();
        Poll::Ready(Ok(more))
    })
}

#[cfg(test)]
pub(super) mod tests;
