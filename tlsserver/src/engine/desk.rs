//! Where logins are asked for: what the engine says to the monitor, and hears from it.
//!
//! One channel for all sessions. When it ends, the monitor is gone, and so is whatever it
//! was asked; the listener brings another.

use proto::channel::ConnectionId;
use proto::channel::engine::FromEngine;
use proto::channel::session::{FromSession, Said, ToSession};
use proto::login::Attempt;
use proto::login::monitor::Request;
use proto::login::outcome::Outcome;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};
use unix::descriptor_passing::Received;
use zeroize::Zeroizing;

use super::channel::Channel;
use super::ending::{Fault, Reports};

/// What the monitor says of one login.
#[derive(Debug)]
pub(super) enum Word {
    /// The program's stream; none: there was no room for it here.
    Stream(Option<OwnedFd>),
    /// The login is good.
    LoggedIn,
    /// What became of it.
    Outcome(Outcome),
}

/// What the monitor says of one connection's logins.
pub(super) type Words = mpsc::UnboundedReceiver<Word>;

/// All sessions' way to the monitor.
#[derive(Clone, Default)]
pub(super) struct Desk {
    state: Arc<Mutex<State>>,
    /// The monitor says that the engine is to end.
    ends: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Counts monitors.
    turn: u64,
    outgoing: Option<mpsc::UnboundedSender<FromSession>>,
    sessions: HashMap<ConnectionId, mpsc::UnboundedSender<Word>>,
    /// Sessions that begin to log in, until the listener answers. If the monitor has been told of
    /// the session, the session gets its way to hear that monitor; if not, none.
    announced: HashMap<ConnectionId, oneshot::Sender<Option<Words>>>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the monitor says that the engine is to end.
    pub(super) fn is_to_end(&self) -> impl Future<Output = ()> + use<> {
        let ends = Arc::clone(&self.ends);
        async move { ends.notified().await }
    }

    /// There is another monitor.
    pub(super) fn connect(&self, channel: OwnedFd) -> io::Result<()> {
        let (sender, outgoing) = mpsc::unbounded_channel();
        let mut channel = Channel::new(channel, outgoing, FromSession::encode)?;
        let turn = {
            let mut state = self.state();
            state.disconnect();
            state.turn += 1;
            state.outgoing = Some(sender);
            state.turn
        };
        let desk = self.clone();
        tokio::spawn(async move {
            desk.receive_all(&mut channel).await;
            let mut state = desk.state();
            if state.turn == turn {
                state.disconnect();
            }
        });
        Ok(())
    }

    async fn receive_all(&self, channel: &mut Channel<FromSession, Zeroizing<Vec<u8>>>) {
        let mut buffer = [0; 64];
        loop {
            let received = channel.receive(&mut buffer).await;
            let Ok(Received { length, descriptors, .. }) = received else { return };
            let Some(message) = buffer.get(..length).and_then(ToSession::decode) else { return };
            let (id, word) = match message {
                ToSession::Stream(id) => (id, Word::Stream(descriptors.into_iter().next())),
                ToSession::LoggedIn(id) => (id, Word::LoggedIn),
                ToSession::Outcome(id, outcome) => (id, Word::Outcome(outcome)),
                ToSession::End => return self.ends.notify_one(),
            };
            if let Some(session) = self.state().sessions.get(&id) {
                // A session that has ended meanwhile wants nothing any more.
                let _ = session.send(word);
            }
        }
    }

    /// The listener's answer for one that was announced: whether the monitor that there is now
    /// knows of it.
    pub(super) fn answered(&self, id: ConnectionId, is_known: bool) {
        let mut state = self.state();
        let Some(session) = state.announced.remove(&id) else { return };
        let (sender, words) = mpsc::unbounded_channel();
        if session.send(is_known.then_some(words)).is_ok() && is_known {
            state.sessions.insert(id, sender);
        }
    }

    /// Says it to the monitor; false where nobody is left to hear it.
    fn send(&self, message: FromSession) -> bool {
        let state = self.state();
        state.outgoing.as_ref().is_some_and(|outgoing| outgoing.send(message).is_ok())
    }

    /// A place for one session.
    pub(super) fn place(&self, id: ConnectionId, reports: Reports) -> Place {
        Place { id, desk: self.clone(), reports, words: None, told_of_tls: false }
    }
}

impl State {
    /// All who wait for a word wait in vain.
    fn disconnect(&mut self) {
        self.outgoing = None;
        self.sessions.clear();
    }
}

/// One session's.
pub(super) struct Place {
    id: ConnectionId,
    desk: Desk,
    reports: Reports,
    /// Once it has begun to log in.
    words: Option<Words>,
    /// The monitor has been told of TLS.
    told_of_tls: bool,
}

impl Place {
    /// Has the monitor know of this session. It may be told then of TLS and of a login; false
    /// where there is no monitor, or another than the one that knows.
    pub(super) async fn begin(&mut self) -> bool {
        if self.words.as_ref().is_some_and(|words| !words.is_closed()) {
            return true;
        }
        let (sender, answer) = oneshot::channel();
        self.desk.state().announced.insert(self.id, sender);
        let _ = self.reports.send(FromEngine::LogsIn(self.id));
        let words = answer.await.ok().flatten();
        self.words = words.filter(|words| !words.is_closed());
        self.told_of_tls = false;
        self.words.is_some()
    }

    /// Asks for a login, of a session that has begun; `facts`: what is to be said of TLS, where
    /// it is on. False where nobody is left to hear it.
    pub(super) fn log_in(
        &mut self,
        facts: impl FnOnce() -> Option<Vec<u8>>,
        attempt: Attempt,
    ) -> bool {
        let login = Request::Login(attempt);
        let facts = if self.told_of_tls { None } else { facts() };
        match facts {
            Some(facts) => {
                self.told_of_tls = true;
                let tls = Request::TlsOn(proto::ucspi_tls::facts(&facts));
                // Together: the monitor is not woken twice.
                self.desk.send(FromSession::Requests(self.id, [tls, login]))
            }
            None => self.ask(login),
        }
    }

    /// The monitor has said the last of the session that it has to say, and wants to hear
    /// nothing more.
    pub(super) fn leave(&mut self) {
        self.words = None;
    }

    /// There will be no other login; the exit code that authup would have. Said once, and by
    /// whatever ends the session.
    pub(super) fn over(&mut self, code: u8) {
        if self.words.take().is_some() {
            self.ask(Request::Over(code));
        }
    }

    /// Says something about this session; false where nobody is left to hear it.
    fn ask(&self, request: Request) -> bool {
        self.desk.send(FromSession::Request(self.id, request))
    }

    /// The program's stream has ended, or nobody reads from it any more.
    pub(super) fn stream_ended(&self, said: Said) {
        self.desk.send(FromSession::StreamEnded(self.id, said));
    }

    /// Has the log say something about this connection.
    pub(super) fn report(&self, fault: &Fault) {
        let _ = self.reports.send(FromEngine::Failed(self.id, fault.to_string()));
    }

    /// Whether the monitor knows of it.
    pub(super) const fn has_begun(&self) -> bool {
        self.words.is_some()
    }

    /// What the monitor says, and how it is told that the program has spoken.
    pub(super) const fn words(&mut self) -> (Option<&mut Words>, impl Fn()) {
        let Self { id, desk, words, .. } = self;
        let spoke = || {
            desk.send(FromSession::Spoke(*id));
        };
        (words.as_mut(), spoke)
    }

    /// The next word; none where the monitor is gone.
    pub(super) async fn word(&mut self) -> Option<Word> {
        let word = match &mut self.words {
            Some(words) => words.recv().await,
            None => None,
        };
        if word.is_none() {
            self.words = None;
        }
        word
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.over(proto::exit_code::FAILED);
        let mut state = self.desk.state();
        state.sessions.remove(&self.id);
        state.announced.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::time::{Duration, timeout};
    use unix::descriptor_passing::channel;

    /// The session's turn comes after all that an engine with much to do has been told at once.
    #[tokio::test]
    async fn what_one_monitor_knows_is_nothing_that_the_next_one_could_be_asked() {
        let desk = Desk::default();
        let (first, its_first) = channel().unwrap();
        let (next, its_next) = channel().unwrap();
        desk.connect(first).unwrap();
        let (reports, mut told) = mpsc::unbounded_channel();
        let mut place = desk.place(7, reports);
        {
            let mut begins = pin!(place.begin());
            assert!(timeout(Duration::ZERO, begins.as_mut()).await.is_err());
            assert_eq!(told.recv().await, Some(FromEngine::LogsIn(7)));
            desk.answered(7, true);
            drop(its_first);
            desk.connect(next).unwrap();
            assert!(!begins.await);
        }
        assert!(!place.has_begun() && desk.state().sessions.is_empty());
        // Of the next one it may be known, too.
        let mut begins = pin!(place.begin());
        assert!(timeout(Duration::ZERO, begins.as_mut()).await.is_err());
        desk.answered(7, true);
        assert!(begins.await);
        drop(its_next);
    }

    /// Also where its client is lost, and nothing more can be said to it.
    #[tokio::test]
    async fn that_a_session_is_over_is_said_once_however_it_ends() {
        let desk = Desk::default();
        let (here, there) = channel().unwrap();
        desk.connect(here).unwrap();
        for (id, code) in [(7, Some(0)), (8, None), (9, Some(1))] {
            let (reports, _told) = mpsc::unbounded_channel();
            let mut place = desk.place(id, reports);
            {
                let mut begins = pin!(place.begin());
                assert!(timeout(Duration::ZERO, begins.as_mut()).await.is_err());
                desk.answered(id, true);
                assert!(begins.await);
            }
            code.into_iter().for_each(|code| place.over(code));
        }
        let (_, nothing) = mpsc::unbounded_channel();
        let mut there = Channel::new(there, nothing, FromSession::encode).unwrap();
        let mut buffer = [0; 64];
        for expected in [(7, 0), (8, proto::exit_code::FAILED), (9, 1)] {
            let length = there.receive(&mut buffer).await.unwrap().length;
            match FromSession::decode(&buffer[..length]) {
                Some(FromSession::Request(id, Request::Over(code))) => {
                    assert_eq!((id, code), expected);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
