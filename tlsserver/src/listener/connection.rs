//! One connection: which engine has it, and who is behind it. What may follow what is here;
//! who may connect at all, and whom it concerns, [`super::connections`] knows.

use std::net::IpAddr;
use std::time::Instant;

use proto::channel::EngineId;

/// One connection. `W`: what is kept of it until its program is started, or its client has
/// logged in.
#[derive(Debug)]
pub(super) struct Connection<W> {
    pub(super) peer: IpAddr,
    engine: Engine,
    behind: Behind<W>,
}

/// Which engine has a connection.
#[derive(Debug, Clone, Copy)]
enum Engine {
    /// None yet, or none any more.
    None,
    /// It is not needed yet: the program has the client's own socket, and has not asked for TLS.
    Spare(EngineId),
    /// It has what the client says.
    Needed(EngineId),
}

/// Who is behind a connection.
#[derive(Debug)]
enum Behind<W> {
    /// Nobody, or nobody any more.
    Nobody,
    /// Its program is started with this once the handshake is done.
    Handshake(W),
    /// Its program runs.
    Program(u32),
    /// It has ended.
    Ended(u32),
    /// The dialog: its client has not begun to log in.
    Dialog(Visitor<W>),
    /// The monitor, which may try a login; none: it could not follow a refused one.
    Login(Option<Visitor<W>>),
    /// A session of the monitor's.
    Session,
    /// The dialog once more, or nobody: the monitor has nothing of it any more.
    Over(Option<Visitor<W>>),
}

/// A client that is to log in.
#[derive(Debug)]
struct Visitor<W> {
    kept: W,
    /// Since when.
    since: Instant,
}

impl<W> Connection<W> {
    /// One that begins.
    pub(super) const fn new(peer: IpAddr) -> Self {
        Self { peer, engine: Engine::None, behind: Behind::Nobody }
    }

    /// Its program runs.
    pub(super) fn started(&mut self, pid: u32) {
        self.behind = Behind::Program(pid);
    }

    /// It has ended.
    pub(super) fn program_ended(&mut self) {
        if let Behind::Program(pid) = self.behind {
            self.behind = Behind::Ended(pid);
        }
    }

    /// An engine has it, and perhaps its program waits for the handshake.
    pub(super) fn handed_over(&mut self, engine: EngineId, waiting: Option<W>) {
        match waiting {
            Some(waiting) => {
                self.engine = Engine::Needed(engine);
                self.behind = Behind::Handshake(waiting);
            }
            None => self.engine = Engine::Spare(engine),
        }
    }

    /// Its program has asked for TLS.
    pub(super) const fn asked(&mut self) {
        if let Engine::Spare(engine) = self.engine {
            self.engine = Engine::Needed(engine);
        }
    }

    /// The engine, while one has it.
    pub(super) const fn engine(&self) -> Option<EngineId> {
        match self.engine {
            Engine::None => None,
            Engine::Spare(engine) | Engine::Needed(engine) => Some(engine),
        }
    }

    /// Whether it goes on without its engine, which it has not needed yet.
    pub(super) const fn is_clear(&self) -> bool {
        matches!(self.engine, Engine::Spare(_))
    }

    /// The engine talks to its client, which is to log in from now on.
    pub(super) fn awaits_login(&mut self, since: Instant) {
        self.behind = match self.take() {
            Behind::Handshake(kept) => Behind::Dialog(Visitor { kept, since }),
            other => other,
        };
    }

    /// What is kept of a client that may begin to log in.
    pub(super) const fn may_begin(&mut self) -> Option<&mut W> {
        match &mut self.behind {
            Behind::Dialog(visitor) | Behind::Over(Some(visitor)) => Some(&mut visitor.kept),
            _ => None,
        }
    }

    /// The monitor knows of it.
    pub(super) fn begun(&mut self) {
        self.behind = match self.take() {
            Behind::Dialog(visitor) => Behind::Login(Some(visitor)),
            Behind::Over(visitor) => Behind::Login(visitor),
            other => other,
        };
    }

    /// Nobody is there who could know of it. In the log it has the number that it would have.
    pub(super) fn declined(&mut self) {
        self.behind = match self.take() {
            Behind::Dialog(visitor) => Behind::Over(Some(visitor)),
            other => other,
        };
    }

    /// Since when its client is to log in, where it still may.
    pub(super) const fn may_log_in_since(&self) -> Option<Instant> {
        match &self.behind {
            Behind::Dialog(visitor)
            | Behind::Login(Some(visitor))
            | Behind::Over(Some(visitor)) => Some(visitor.since),
            _ => None,
        }
    }

    /// Its client has logged in.
    pub(super) fn logged_in(&mut self) {
        self.behind = Behind::Session;
    }

    /// The monitor has nothing of it any more.
    pub(super) fn over(&mut self) {
        self.behind = match self.take() {
            Behind::Login(visitor) => Behind::Over(visitor),
            Behind::Session => Behind::Over(None),
            other => other,
        };
    }

    /// What its program waits with, once.
    pub(super) fn secured(&mut self) -> Option<W> {
        match self.take() {
            Behind::Handshake(waiting) => Some(waiting),
            other => {
                self.behind = other;
                None
            }
        }
    }

    /// It gets no program and no login any more that it has not got yet.
    pub(super) fn turn_away(&mut self) {
        self.behind = match self.take() {
            Behind::Handshake(_) | Behind::Dialog(_) => Behind::Nobody,
            Behind::Login(_) => Behind::Login(None),
            Behind::Over(_) => Behind::Over(None),
            other => other,
        };
    }

    /// No engine has it any more.
    pub(super) fn closed(&mut self) {
        self.engine = Engine::None;
        self.turn_away();
    }

    /// Its program, while that runs.
    pub(super) const fn program(&self) -> Option<u32> {
        match self.behind {
            Behind::Program(pid) => Some(pid),
            _ => None,
        }
    }

    /// The number that it has in the log: the monitor's, or its program's, also once that has
    /// ended.
    pub(super) fn number(&self, own: u64) -> Option<u64> {
        match self.behind {
            Behind::Program(pid) | Behind::Ended(pid) => Some(pid.into()),
            Behind::Login(_) | Behind::Session | Behind::Over(_) => Some(own),
            Behind::Nobody | Behind::Handshake(_) | Behind::Dialog(_) => None,
        }
    }

    /// Whether its client is to log in and has not begun to.
    pub(super) const fn is_in_dialog(&self) -> bool {
        matches!(self.behind, Behind::Dialog(_))
    }

    /// Whether its program is to be started once its handshake is done.
    pub(super) const fn is_in_handshake(&self) -> bool {
        matches!(self.behind, Behind::Handshake(_))
    }

    /// Whether the monitor has something of it.
    pub(super) const fn is_with_monitor(&self) -> bool {
        matches!(self.behind, Behind::Login(_) | Behind::Session)
    }

    /// Whether it is a session of the monitor's.
    pub(super) const fn is_session(&self) -> bool {
        matches!(self.behind, Behind::Session)
    }

    /// Whether it goes on without the listener.
    pub(super) const fn has_somebody_behind(&self) -> bool {
        self.is_with_monitor() || matches!(self.behind, Behind::Program(_) | Behind::Ended(_))
    }

    /// Whether it costs nothing any more.
    pub(super) const fn is_done(&self) -> bool {
        self.engine().is_none() && self.program().is_none() && !self.is_with_monitor()
    }

    const fn take(&mut self) -> Behind<W> {
        std::mem::replace(&mut self.behind, Behind::Nobody)
    }
}
