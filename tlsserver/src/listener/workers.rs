//! The keyholder, the engines and the monitor: started, watched, started anew.
//!
//! They come in generations. A generation is one reading of the certificate files:
//! a keyholder that has read them, and engines that use it. A reload starts a new
//! keyholder; only when that is ready, and has an engine, does its generation take over,
//! so a bad file changes nothing. What belongs to an older generation gets no new connections,
//! finishes those that it has, and ends by itself.

mod again;
mod engine;
pub(super) mod files;
mod keyholder;
mod logins;
mod monitor;
mod processes;
mod trust;
mod watch;

use proto::channel::LONGEST;
use proto::channel::engine::{FromEngine, ToEngine};
use proto::channel::keyholder::FromKeyholder;
use proto::channel::listener::ToMonitor;
use rustix::net::{Shutdown, shutdown};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use self::again::Again;
use self::engine::Engine;
use self::keyholder::{Beginning, Keyholder};
use self::monitor::Monitor;
use self::processes::Processes;
use super::connections::EngineId;
use super::dialog::{Dialogs, Source};
use super::report::WorkerEvent;
use crate::child::How;
use crate::environment::Variables;
use crate::incoming::{Incoming, take};
use crate::log::Log;

/// How often the others are asked whether they still do their work.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is said that a certificate is not valid.
const REMINDER: Duration = Duration::from_secs(60 * 60);
/// Who lived for longer did not die of how it was started.
const LIVED: Duration = Duration::from_secs(5);

pub(super) use self::monitor::{Introduced, MonitorConfig};
pub(super) use self::processes::{Ended, Role};

/// What the workers are started with.
#[derive(Debug)]
pub(super) struct WorkersConfig {
    pub(super) engines: usize,
    pub(super) keyholder_variables: Variables,
    pub(super) engine_variables: Variables,
    /// What engines say to clients until they have logged in; none: nothing.
    pub(super) dialogs: Option<Source>,
    /// What a monitor is started with; none: there is none.
    pub(super) monitor: Option<MonitorConfig>,
}

/// All of them.
pub(super) struct Workers {
    config: WorkersConfig,
    log: Log,
    buffer: Vec<u8>,
    /// Keyholders of older generations are only here.
    processes: Processes,
    last_engine: EngineId,
    /// Reads the files; no engine uses it yet.
    reading: Option<Keyholder>,
    /// The process of one that has read for too long, until it has ended. No other is started
    /// by itself before: its files may be where that one's were.
    given_up: Option<u32>,
    keyholder: Option<Keyholder>,
    /// What the last generation's engines say, also while there are none: a client that
    /// they would talk to is not left to the program then.
    dialogs: Option<Dialogs>,
    monitor: Option<Monitor>,
    /// The log of login programs: a pipe, which monitors read one after another.
    words: Option<(OwnedFd, OwnedFd)>,
    /// When to start another monitor.
    monitor_again: Again,
    engines: Vec<Engine>,
    /// When to start what engines are missing.
    engines_again: Again,
    /// When to start a keyholder, while there is none.
    keyholder_again: Again,
    next_check: Instant,
    next_reminder: Instant,
}

/// Whose channel has something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    Reading,
    Keyholder,
    Monitor,
    Engine(EngineId),
}

impl Workers {
    pub(super) fn new(config: WorkersConfig, log: Log) -> Self {
        Self {
            config,
            log,
            buffer: vec![0; LONGEST],
            processes: Processes::default(),
            last_engine: 0,
            reading: None,
            given_up: None,
            keyholder: None,
            dialogs: None,
            monitor: None,
            words: None,
            monitor_again: Again::new(),
            engines: Vec::new(),
            engines_again: Again::new(),
            keyholder_again: Again::new(),
            next_check: Instant::now() + CHECK_INTERVAL,
            next_reminder: Instant::now() + REMINDER,
        }
    }

    /// The channels to wait on.
    pub(super) fn channels(&self) -> impl Iterator<Item = (Worker, BorrowedFd<'_>)> {
        let reading = self.reading.iter().map(|one| (Worker::Reading, one.control.as_fd()));
        let keyholder = self.keyholder.iter().map(|one| (Worker::Keyholder, one.control.as_fd()));
        let engines = self.engines.iter();
        let monitor = self.monitor.iter().map(|one| (Worker::Monitor, one.as_fd()));
        reading
            .chain(keyholder)
            .chain(monitor)
            .chain(engines.map(|one| (Worker::Engine(one.id), one.as_fd())))
    }

    /// Starts what engines are missing.
    fn fill_up(&mut self) {
        while self.current().count() < self.config.engines
            && let Some(keyholder) = &self.keyholder
        {
            let beginning = keyholder.one_more_engine(self.dialogs.as_ref());
            match beginning.and_then(|beginning| self.start_engine(beginning)) {
                Ok(engine) => self.engines.push(engine),
                Err(reason) => {
                    WorkerEvent::NoEngine(&reason).log(self.log);
                    self.engines_again.later(Instant::now());
                    return;
                }
            }
        }
    }

    fn start_engine(
        &mut self,
        Beginning { keyholder, keys, told }: Beginning,
    ) -> io::Result<Engine> {
        self.last_engine += 1;
        let (id, variables) = (self.last_engine, &self.config.engine_variables);
        let engine = Engine::start(id, variables, (keyholder, keys), &mut self.processes)?;
        self.tell_new(engine, &told)
    }

    /// Tells a new engine what it begins with. One that cannot be told is of no use, and ended.
    fn tell_new(&mut self, mut engine: Engine, told: &[ToEngine]) -> io::Result<Engine> {
        // First, so that it knows the monitor when it says that it is ready.
        let monitor = self.monitor.as_mut();
        let joined = monitor.map_or(Ok(()), |monitor| logins::join(&mut engine, monitor));
        let told =
            joined.and_then(|()| told.iter().try_for_each(|message| engine.send(message, &[])));
        if told.is_err() {
            self.processes.kill(engine.pid);
        }
        told.map(|()| engine)
    }

    fn current(&self) -> impl Iterator<Item = &Engine> {
        self.engines.iter().filter(|engine| !engine.is_retired())
    }

    /// Whether there is an engine for a new connection.
    pub(super) fn serving(&self) -> bool {
        self.current().next().is_some()
    }

    /// Whether all engines there should be are jailed and ready.
    pub(super) fn all_ready(&self) -> bool {
        let monitor_is_ready = self.monitor.as_ref().is_none_or(|monitor| monitor.ready);
        monitor_is_ready && self.serving() && self.current().all(Engine::is_ready)
    }

    /// Gives a connection to the engine that was given the fewest lately, and of several to the
    /// one that has the fewest: how many it has is its own word. One that is not ready yet, and
    /// may never be, gets some only where no other is.
    pub(super) fn hand_over(
        &mut self,
        message: &ToEngine,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<EngineId> {
        let engine = self
            .current()
            .min_by_key(|engine| (!engine.is_ready(), engine.lately, engine.connections));
        // Whoever hands over has seen one, and nothing has been heard since.
        let engine = engine.ok_or_else(|| io::Error::other("the engine is gone"))?;
        let id = engine.id;
        self.send(id, message, descriptors)?;
        if let Some(engine) = self.engine(id) {
            engine.given();
        }
        Ok(id)
    }

    /// Sends something to one engine. One that does not take it is stuck, and ended: that is
    /// seen as any other death.
    pub(super) fn send(
        &mut self,
        id: EngineId,
        message: &ToEngine,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let engine = self.engines.iter_mut().find(|engine| engine.id == id);
        let engine = engine.ok_or_else(|| io::Error::other("the engine is gone"))?;
        let sent = engine.send(message, descriptors);
        if sent.as_ref().is_err_and(|reason| reason.kind() == io::ErrorKind::WouldBlock) {
            WorkerEvent::EngineStuck(engine.pid).log(self.log);
            self.processes.kill(engine.pid);
        }
        sent
    }

    /// A connection of the engine's has ended.
    pub(super) fn released(&mut self, id: EngineId) {
        if let Some(engine) = self.engine(id) {
            engine.connections = engine.connections.saturating_sub(1);
            engine.end_if_done();
        }
    }

    fn engine(&mut self, id: EngineId) -> Option<&mut Engine> {
        self.engines.iter_mut().find(|engine| engine.id == id)
    }

    /// Takes one message of an engine, where there is one. The end is also that of one that has
    /// said more for the log than an honest one would.
    pub(super) fn receive(&mut self, id: EngineId) -> Incoming<FromEngine> {
        let Some(engine) = self.engines.iter_mut().find(|engine| engine.id == id) else {
            return Incoming::Nothing;
        };
        let received = engine.receive(&mut self.buffer);
        match &received {
            Incoming::Message(FromEngine::Ready) => engine.answered(),
            Incoming::Message(FromEngine::Failed(..) | FromEngine::Says(_))
                if !engine.take_line() =>
            {
                WorkerEvent::EngineExceedsLogBudget(engine.pid).log(self.log);
                return Incoming::End;
            }
            _ => {}
        }
        received
    }

    /// Takes a message of the keyholder, where there is one. The end is also that of one that
    /// makes no sense now, or has said more for the log than an honest one would.
    pub(super) fn hear_keyholder(&mut self) -> Incoming<()> {
        let Some(keyholder) = &mut self.keyholder else { return Incoming::Nothing };
        match take(&keyholder.control, &mut self.buffer, FromKeyholder::decode) {
            Incoming::Nothing => return Incoming::Nothing,
            Incoming::Message(FromKeyholder::Ready) => keyholder.answered(),
            Incoming::Message(FromKeyholder::Says(what)) if keyholder.take_line() => {
                WorkerEvent::KeyholderSays(keyholder.pid, &what).log(self.log);
            }
            Incoming::Message(..) | Incoming::End => return Incoming::End,
        }
        Incoming::Message(())
    }

    /// The keyholder's process, while there is one.
    pub(super) fn keyholder(&self) -> Option<u32> {
        self.keyholder.as_ref().map(|keyholder| keyholder.pid)
    }

    /// The engine has no signatures any more: it keeps the connections that it has, and
    /// another takes its place.
    pub(super) fn on_cannot_sign(&mut self, id: EngineId) {
        let Some(engine) = self.engine(id).filter(|engine| !engine.is_retired()) else { return };
        engine.retire();
        let (pid, started) = (engine.pid, engine.started);
        WorkerEvent::EngineCannotSign(pid).log(self.log);
        self.replace_engine(started);
    }

    /// Starts another in the place of one that was started then; later, if that did not live.
    fn replace_engine(&mut self, started: Instant) {
        if started.elapsed() < LIVED {
            self.engines_again.later(Instant::now());
        } else {
            self.fill_up();
        }
    }

    /// The engine's process.
    pub(super) fn pid_of(&self, id: EngineId) -> Option<u32> {
        self.engines.iter().find(|engine| engine.id == id).map(|engine| engine.pid)
    }

    /// Whether it is one of these, and has not been waited for.
    pub(super) fn have(&self, pid: u32) -> bool {
        self.processes.contains(pid)
    }

    /// Ends it, if it is one of these.
    pub(super) fn kill(&self, pid: u32) {
        self.processes.kill(pid);
    }

    /// One that has ended, this one first. What it has said can still be heard, and nothing of
    /// whoever else has its channel, who could go on for ever.
    pub(super) fn reap(&mut self, first: u32) -> Option<Ended> {
        let ended = self.processes.reap(first)?;
        if let Some(channel) = self.channel_of(ended.pid) {
            let _ = shutdown(channel, Shutdown::Read);
        }
        Some(ended)
    }

    fn channel_of(&self, pid: u32) -> Option<BorrowedFd<'_>> {
        let keyholders = self.reading.iter().chain(&self.keyholder);
        let keyholders = keyholders.map(|one| (one.pid, one.control.as_fd()));
        let monitor = self.monitor.iter().map(|one| (one.pid, one.as_fd()));
        let engines = self.engines.iter().map(|one| (one.pid, one.as_fd()));
        let mut all = keyholders.chain(monitor).chain(engines);
        all.find(|(its, _)| *its == pid).map(|(_, channel)| channel)
    }

    /// A process has ended, of which all messages have been received: starts it anew where it
    /// is needed, and logs what nobody wanted.
    pub(super) fn on_ended(&mut self, Ended { pid, role, how }: Ended) {
        match role {
            Role::Engine(id) => self.on_engine_ended(id, how),
            Role::Monitor if self.monitor.as_ref().is_some_and(|one| one.pid == pid) => {
                self.on_monitor_ended(how);
            }
            Role::Keyholder => self.on_keyholder_ended(pid, how),
            Role::Monitor => {}
        }
    }

    fn on_engine_ended(&mut self, id: EngineId, how: How) {
        let Some(at) = self.engines.iter().position(|engine| engine.id == id) else { return };
        let engine = self.engines.swap_remove(at);
        self.send_to_monitor(&ToMonitor::EngineEnded(id));
        self.end_unused_keyholders();
        if !engine.is_retired() {
            WorkerEvent::EngineDied(engine.pid, how).log(self.log);
            self.replace_engine(engine.started);
        }
    }

    fn on_keyholder_ended(&mut self, pid: u32, how: How) {
        self.given_up_has_ended(pid);
        let Some(keyholder) = self.keyholder.take_if(|one| one.pid == pid) else { return };
        WorkerEvent::KeyholderDied(pid, how).log(self.log);
        // Without it they can do no handshake; what they have may go on.
        self.retire_engines();
        if keyholder.started.elapsed() < LIVED {
            self.keyholder_again.later(Instant::now());
        } else {
            self.read_files_again();
        }
    }

    fn retire_engines(&mut self) {
        let current = self.engines.iter_mut().filter(|engine| !engine.is_retired());
        current.for_each(Engine::retire);
    }
}

#[cfg(test)]
mod tests;
