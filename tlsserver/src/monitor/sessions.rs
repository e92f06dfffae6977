//! Whose logins are tried, and which of them are sessions. Only a table: it starts, ends
//! and says nothing.

use proto::channel::listener::Client;
use proto::channel::session::Said;
use proto::channel::{ConnectionId, EngineId};
use proto::checkpassword::Record;
use proto::login::handoff::Handoff;
use proto::login::monitor::Guard;
use proto::sasl::Mechanism;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;
use unix::blocklist::Reporter;
use unix::summary::Timed;

use super::homes::Charge;
use super::lines::Lines;
use crate::environment::Variables;

/// A connection whose client has begun to log in.
pub(super) struct Session {
    pub(super) client: Client,
    /// The engine that has it, while one has.
    pub(super) engine: Option<EngineId>,
    pub(super) guard: Guard,
    /// What the log says of it.
    pub(super) lines: Lines,
    /// What the engine said of the handshake.
    pub(super) facts: Variables,
    /// When the client must have logged in.
    pub(super) deadline: Instant,
    pub(super) login: Login,
    /// Who tries to log in, by the name that the client gave.
    pub(super) given: Vec<u8>,
    /// The exit code that authup would have.
    pub(super) code: u8,
    pub(super) blocklist: Option<Reporter>,
    /// What the memory of refused logins is to be told of the login that is tried.
    pub(super) charge: Option<Charge>,
    /// A login of its was refused, and the listener has it make room for others since.
    pub(super) is_to_make_room: bool,
    pub(super) parting: Parting,
    /// What is said when a login and when the session is over, where that is asked for.
    pub(super) summary: Option<Box<Timed>>,
}

/// What there is of a login.
pub(super) enum Login {
    /// None that is tried.
    None,
    /// It has not had its turn.
    Waiting(Record, Handoff),
    /// Its program runs.
    Running(Running),
}

/// A login program, or who follows it.
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) user: Vec<u8>,
    pub(super) phase: Phase,
    /// The client has heard something of it.
    pub(super) has_spoken: bool,
}

/// How a session's program goes. Two tell, in any order: the engine, that the stream has
/// ended and whether anything was said on it, and the system, that the program has ended.
/// The log has both in one line.
pub(super) enum Parting {
    /// Neither is known.
    None,
    /// The stream has ended.
    Stream(Said),
    /// The program has ended.
    Program(Completed),
}

/// A program that has ended as that of a session does.
pub(super) struct Completed {
    pub(super) pid: u32,
    pub(super) user: Vec<u8>,
    pub(super) code: u8,
}

/// What is known of a program that runs.
pub(super) enum Phase {
    /// It may still say that the login is good, unless the pipe for it has been closed. It
    /// has somebody's turn.
    Checking(Option<OwnedFd>),
    /// It has not said so, and has become somebody who is not root, or its time is over and it
    /// was not to be killed.
    Unsaid,
    /// The login is good.
    LoggedIn,
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: HashMap<ConnectionId, Session>,
    /// Sessions of an earlier monitor's, which has died: only that they are is known, and who
    /// has them.
    inherited: HashMap<ConnectionId, EngineId>,
    by_pid: HashMap<u32, ConnectionId>,
    /// Those that wait for their turn, or have it.
    undecided: BTreeSet<ConnectionId>,
    /// Programs whose streams have ended: they are about to end, or have.
    ending: HashSet<u32>,
    /// Programs that took too long and were killed, each with a turn, and nobody's any more.
    /// One that waits for a file system that hangs dies when that answers.
    killed: HashSet<u32>,
}

impl Session {
    /// A login is asked for, by this mechanism or by a command.
    pub(super) fn begins_login(&mut self, user: &[u8], mechanism: Option<Mechanism>) {
        self.parting = Parting::None;
        if let Some(summary) = &mut self.summary {
            summary.login_begins(user, mechanism);
        }
    }

    /// The stream has ended. How its program went, where that was not said for want of this.
    pub(super) fn stream_ended(&mut self, said: Said) -> Option<Completed> {
        match std::mem::replace(&mut self.parting, Parting::Stream(said)) {
            Parting::Program(completed) => Some(completed),
            Parting::None | Parting::Stream(_) => None,
        }
    }

    /// The program has ended. It comes back with what it has said, unless that is yet to be
    /// heard of the engine.
    pub(super) fn program_ended(&mut self, completed: Completed) -> Option<(Completed, Said)> {
        match self.parting {
            Parting::Stream(said) => Some((completed, said)),
            Parting::None if self.engine.is_some() => {
                self.parting = Parting::Program(completed);
                None
            }
            Parting::None | Parting::Program(_) => Some((completed, Said::Something)),
        }
    }

    /// Whether the engine is to say yet how its program went.
    pub(super) const fn awaits_engine(&self) -> bool {
        self.engine.is_some() && matches!(self.parting, Parting::Program(_))
    }
}

impl Running {
    pub(super) const fn has_turn(&self) -> bool {
        matches!(self.phase, Phase::Checking(_))
    }
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.inherited.is_empty()
    }

    /// There is such a session.
    pub(super) fn inherits(&mut self, id: ConnectionId, engine: EngineId) {
        self.inherited.insert(id, engine);
    }

    /// Whether there is, and the engine has it.
    pub(super) fn is_inherited_with(&self, id: ConnectionId, engine: EngineId) -> bool {
        self.inherited.get(&id) == Some(&engine)
    }

    /// There is none any more; whether there was.
    pub(super) fn disinherits(&mut self, id: ConnectionId) -> bool {
        self.inherited.remove(&id).is_some()
    }

    pub(super) fn insert(&mut self, id: ConnectionId, session: Session) {
        self.by_id.insert(id, session);
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    /// The session, if the engine is the one that has it: no engine has a say about
    /// another's.
    pub(super) fn with(&mut self, id: ConnectionId, engine: EngineId) -> Option<&mut Session> {
        self.by_id.get_mut(&id).filter(|session| session.engine == Some(engine))
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Session> {
        self.undecided.remove(&id);
        self.by_id.remove(&id)
    }

    /// Its login waits for its turn.
    pub(super) fn waits(&mut self, id: ConnectionId, record: Record, handoff: Handoff) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.login = Login::Waiting(record, handoff);
            self.undecided.insert(id);
        }
    }

    /// It has its turn: takes what is to be checked.
    pub(super) fn take_record(&mut self, id: ConnectionId) -> Option<(Record, Handoff)> {
        let session = self.by_id.get_mut(&id)?;
        match std::mem::replace(&mut session.login, Login::None) {
            Login::Waiting(record, handoff) => Some((record, handoff)),
            other => {
                session.login = other;
                None
            }
        }
    }

    /// Its program runs.
    pub(super) fn runs(&mut self, id: ConnectionId, running: Running) {
        if let Some(session) = self.by_id.get_mut(&id) {
            self.by_pid.insert(running.pid, id);
            session.login = Login::Running(running);
        }
    }

    /// Its program has written to the client.
    pub(super) fn spoke(&mut self, id: ConnectionId, engine: EngineId) {
        if let Some(session) = self.with(id, engine)
            && let Login::Running(running) = &mut session.login
        {
            running.has_spoken = true;
        }
    }

    /// The program is judged otherwise; what was known of it. None where none runs.
    pub(super) fn becomes(&mut self, id: ConnectionId, phase: Phase) -> Option<Phase> {
        let Login::Running(running) = &mut self.by_id.get_mut(&id)?.login else { return None };
        if !matches!(phase, Phase::Checking(_)) {
            self.undecided.remove(&id);
        }
        Some(std::mem::replace(&mut running.phase, phase))
    }

    /// The stream of its program has ended: the program, if one runs.
    pub(super) fn stream_ended(&mut self, id: ConnectionId) -> Option<u32> {
        let Login::Running(running) = &self.by_id.get(&id)?.login else { return None };
        self.ending.insert(running.pid);
        Some(running.pid)
    }

    /// Its login is none any more. What it was.
    pub(super) fn login_ended(&mut self, id: ConnectionId) -> Option<Login> {
        self.undecided.remove(&id);
        let login = std::mem::replace(&mut self.by_id.get_mut(&id)?.login, Login::None);
        if let Login::Running(running) = &login {
            self.by_pid.remove(&running.pid);
            self.ending.remove(&running.pid);
        }
        Some(login)
    }

    /// Its program is killed, and keeps the turn until it has died.
    pub(super) fn kills(&mut self, id: ConnectionId) {
        if let Some(Login::Running(Running { pid, .. })) = self.login_ended(id) {
            self.killed.insert(pid);
        }
    }

    /// One has died; whether it was one that was killed.
    pub(super) fn died(&mut self, pid: u32) -> bool {
        self.killed.remove(&pid)
    }

    /// Whose program it is.
    pub(super) fn of_program(&self, pid: u32) -> Option<ConnectionId> {
        self.by_pid.get(&pid).copied()
    }

    /// Programs that may have ended unsaid: those whose streams have or that were killed, and
    /// the few that are checking.
    pub(super) fn may_have_ended(&self) -> Vec<u32> {
        let told = self.ending.iter().chain(&self.killed).copied();
        told.chain(self.checking().map(|(_, running)| running.pid)).collect()
    }

    /// Those that have their turn.
    pub(super) fn checking(&self) -> impl Iterator<Item = (ConnectionId, &Running)> {
        self.undecided.iter().filter_map(|&id| match &self.by_id.get(&id)?.login {
            Login::Running(running) => Some((id, running)),
            _ => None,
        })
    }

    /// All login programs, and who follows them.
    pub(super) fn running(&self) -> impl Iterator<Item = &Running> {
        self.by_id.values().filter_map(|session| match &session.login {
            Login::Running(running) => Some(running),
            _ => None,
        })
    }

    /// Where programs may say that the login is good.
    pub(super) fn ready_pipes(&self) -> impl Iterator<Item = (ConnectionId, BorrowedFd<'_>)> {
        self.checking().filter_map(|(id, running)| match &running.phase {
            Phase::Checking(Some(pipe)) => Some((id, pipe.as_fd())),
            _ => None,
        })
    }

    /// When the time of the next one is over that has not logged in.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.late().map(|(_, deadline)| deadline).min()
    }

    /// Those whose time is over.
    pub(super) fn late_at(&self, now: Instant) -> Vec<ConnectionId> {
        self.late().filter(|(_, deadline)| *deadline <= now).map(|(id, _)| id).collect()
    }

    fn late(&self) -> impl Iterator<Item = (ConnectionId, Instant)> {
        self.undecided.iter().filter_map(|&id| Some((id, self.by_id.get(&id)?.deadline)))
    }

    /// Those of an engine.
    pub(super) fn of_engine(&self, engine: EngineId) -> Vec<ConnectionId> {
        let of_ours = self.by_id.iter().filter(|(_, one)| one.engine == Some(engine));
        let inherited = self.inherited.iter().filter(|(_, one)| **one == engine);
        of_ours.map(|(&id, _)| id).chain(inherited.map(|(&id, _)| id)).collect()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<ConnectionId> {
        self.by_id.keys().chain(self.inherited.keys()).copied().collect()
    }
}
