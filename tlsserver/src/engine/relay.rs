//! Carries bytes both ways between a TLS connection and a program.
//!
//! Each direction holds at most one piece that the other side has not taken, and
//! reads no more until it has: whoever is slow makes the other wait. A direction
//! that has ended leaves the other alone. An idle connection holds no buffer: all
//! directions of an engine read into one piece of scratch, and only what was not
//! taken is kept.

mod down;
mod state;
mod up;

use proto::login::outcome::{Heard, Outcome};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::desk::{Word, Words};
use super::ending::{Ended, Fault, LINGER};
use super::local_socket::LocalSocket;
use super::unread::Unread;
use state::{Down, Login, Relay, Up};

pub(super) use state::{ProgramEnded, ProgramStream};

/// How long a client may take no byte of what a program that has ended left; and how long what
/// that has left behind may take none of the client's, or say nothing where nobody can tell
/// whether it has ended.
const STALL: Duration = Duration::from_secs(60);

/// Relays until both directions have ended, or `its_end` is known and so is the client's.
pub(super) async fn relay<T>(mut tls: T, program: ProgramStream, its_end: ProgramEnded) -> Ended
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay::new(&mut tls, program, Login::NotOurs(its_end));
    poll_fn(|context| relay.poll(context)).await;
    relay.failure.map_or(Ok(()), Err)
}

/// Relays a session that may be none: what the program writes goes to the client, but
/// what the client says goes to the program only once the login is known to be good, or
/// the program has spoken: then `spoke` is called. `unread`: what the client has said behind its
/// login already; the program reads it first.
///
/// Ends when the program has closed its stream, when it has ended and is not to have the
/// last word, or when both directions have ended. The connection is still there then.
pub(super) async fn session<T>(
    client: &mut T,
    unread: Unread,
    stream: LocalSocket,
    words: Option<&mut Words>,
    spoke: impl Fn(),
) -> Finished
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let login = words.map_or(Login::Unknown, Login::Undecided);
    let mut relay = Relay::new(client, ProgramStream::Stream(stream), login);
    relay.up = Up::Held(unread);
    poll_fn(|context| {
        let polled = relay.poll(context);
        if std::mem::take(&mut relay.spoke_first) {
            spoke();
        }
        polled
    })
    .await;
    let gone = matches!(relay.down, Down::Ended);
    let unread = match relay.up {
        Up::Held(unread) | Up::HeldToEnd(unread) => unread,
        Up::Flowing(kept) | Up::Stuck(kept, _) => Unread::from(kept.rest()),
        Up::Discarding | Up::Cut(_) | Up::Ended => Unread::default(),
    };
    let outcome = if let Login::Ended(outcome) = relay.login { Some(outcome) } else { None };
    let (heard, failure) = (relay.heard, relay.failure);
    Finished { unread, heard, outcome, gone, failure }
}

/// What is left of a session.
pub(super) struct Finished {
    /// What the client has said, and the program was not given.
    pub(super) unread: Unread,
    /// What the client has heard of the program.
    pub(super) heard: Heard,
    /// What became of the login, if that is known.
    pub(super) outcome: Option<Outcome>,
    /// Nothing more can be said to the client.
    pub(super) gone: bool,
    /// What went wrong with the connection.
    pub(super) failure: Option<Fault>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Relay<'_, T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.on_words(context);
        self.watch_input(context);
        let mut up = self.poll_up(context);
        let mut down = self.poll_down(context);
        if self.program_has_spoken() && self.up.is_held() {
            self.spoke_first = true;
            self.let_client_speak();
            up = self.poll_up(context);
        }
        if matches!(self.up, Up::Cut(_)) {
            up = self.poll_up(context);
        }
        if self.program_is_waited_for && self.has_no_more_to_say() {
            // The client may have said its last since; what is there by now is for it.
            down = self.poll_down(context);
        }
        if matches!(self.down, Down::Left) || (up.is_ready() && down.is_ready()) {
            return Poll::Ready(());
        }
        if self.program_is_waited_for && self.has_no_more_to_say() {
            return Poll::Ready(());
        }
        self.poll_timer(context, down.is_ready())
    }

    /// Takes what the monitor says, or the listener.
    fn on_words(&mut self, context: &mut Context<'_>) {
        if let Login::NotOurs(its_end) = &mut self.login
            && let Poll::Ready(told) = Pin::new(its_end).poll(context)
        {
            // Without a listener nobody is left who could say so.
            self.login = if told.is_ok() { Login::ProgramEnded } else { Login::Unknown };
        }
        while let Login::Undecided(words) = &mut self.login {
            let Poll::Ready(word) = words.poll_recv(context) else { return };
            match word {
                Some(Word::LoggedIn) => self.let_client_speak(),
                Some(Word::Stream(_)) => {}
                Some(Word::Outcome(outcome)) => {
                    self.login = Login::Ended(outcome);
                    // It was a session, if a silent one: nobody but the program wants to hear it.
                    if matches!(outcome, Outcome::Completed(_)) {
                        self.let_client_speak();
                    }
                }
                // The monitor is gone. Whoever was told of a session has one.
                None => self.login = Login::Unknown,
            }
        }
    }

    /// Bounds what goes on after the program's end: the writing out of the rest,
    /// for as long as the client takes something, and then the wait for its end. Where nobody
    /// is left who could say that it has ended, and the client has said its last, one that says
    /// nothing for a while has.
    fn poll_timer(&mut self, context: &mut Context<'_>, down_has_ended: bool) -> Poll<()> {
        let is_left = matches!((&self.login, &self.up), (Login::ProgramEnded, Up::Ended));
        let has_ended = self.input_closed || is_left || matches!(self.login, Login::Ended(_));
        let may_have_ended = matches!((&self.login, &self.up), (Login::Unknown, Up::Ended));
        let is_bounded = if self.program_is_waited_for { may_have_ended } else { has_ended };
        if !is_bounded {
            return Poll::Pending;
        }
        let bound = if down_has_ended { LINGER } else { STALL };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(bound)));
        ready!(timer.as_mut().poll(context));
        if self.program_is_waited_for {
            self.timer = None;
            self.login = Login::ProgramEnded;
            return self.poll(context);
        }
        if !down_has_ended {
            self.fail(Fault::Stalled(STALL));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests;
