//! The keyholder and the engines: started, watched, started anew.
//!
//! They come in generations. A generation is one reading of the certificate files:
//! a keyholder that has read them, and engines that use it. A reload starts a new
//! keyholder; only when that is ready does its generation take over, so a bad file
//! changes nothing. What belongs to an older generation gets no new connections,
//! finishes those that it has, and ends by itself.

mod engine;
mod keyholder;
mod logins;
mod monitor;

use proto::channel::LONGEST;
use proto::channel::engine::{FromEngine, ToEngine};
use proto::channel::keyholder::FromKeyholder;
use proto::channel::listener::ToMonitor;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use unix::descriptor::unblock;
use unix::descriptor_passing::{channel, receive};

use self::engine::Engine;
use self::keyholder::Keyholder;
use self::monitor::Monitor;
use super::connections::EngineId;
use super::dialog::{Dialogs, Source};
use crate::child::{How, kill};
use crate::environment::Variables;
use crate::log::Log;

/// How often engines are asked whether they still do their work.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is said that a certificate is not valid.
const REMINDER: Duration = Duration::from_secs(60 * 60);
/// The first pause before something that failed is tried again; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// Who lived for longer did not die of how it was started.
const LIVED: Duration = Duration::from_secs(5);

pub(super) use self::monitor::Settings as MonitorSettings;

/// What the workers are started with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) engines: usize,
    pub(super) keyholder_variables: Variables,
    pub(super) engine_variables: Variables,
    /// What engines say to clients until they have logged in; none: nothing.
    pub(super) dialogs: Option<Source>,
    /// What a monitor is started with; none: there is none.
    pub(super) monitor: Option<MonitorSettings>,
}

/// What a keyholder that reads the files came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It still reads.
    Unfinished,
    /// Its generation has taken over.
    TookOver,
    /// It cannot; why.
    Failed(String),
}

/// What an engine says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message(FromEngine),
    /// Nothing, for now.
    Nothing,
    /// It has closed its channel, talks nonsense, or has said more for the log than an honest
    /// one would.
    End,
}

/// All of them.
pub(super) struct Workers {
    settings: Settings,
    log: Log,
    buffer: Vec<u8>,
    last_engine: EngineId,
    /// Reads the files; no engine uses it yet.
    reading: Option<Keyholder>,
    keyholder: Option<Keyholder>,
    /// What the last generation's engines say, also while there are none: a client that
    /// they would talk to is not left to the program then.
    dialogs: Option<Dialogs>,
    monitor: Option<Monitor>,
    /// The log of login programs: a pipe, which monitors read one after another.
    words: Option<(OwnedFd, OwnedFd)>,
    /// When to start another monitor.
    monitor_again: Option<Instant>,
    engines: Vec<Engine>,
    /// Keyholders of older generations.
    retired: Vec<u32>,
    pause: Duration,
    retry: Option<Instant>,
    next_look: Instant,
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
    pub(super) fn new(settings: Settings, log: Log) -> Self {
        Self {
            settings,
            log,
            buffer: vec![0; LONGEST],
            last_engine: 0,
            reading: None,
            keyholder: None,
            dialogs: None,
            monitor: None,
            words: None,
            monitor_again: None,
            engines: Vec::new(),
            retired: Vec::new(),
            pause: PAUSE,
            retry: None,
            next_look: Instant::now() + LOOK,
            next_reminder: Instant::now() + REMINDER,
        }
    }

    /// Starts a keyholder that reads the files; one that still does is forgotten,
    /// for the files may have changed behind it. Those that are no secret are read here.
    ///
    /// # Errors
    /// What is wrong with which of those, or why there is no keyholder.
    pub(super) fn read_files(&mut self) -> Result<(), String> {
        let dialogs = self.read_dialogs()?;
        self.start_keyholder(dialogs)
    }

    fn read_dialogs(&self) -> Result<Option<Dialogs>, String> {
        let read = |source: &Source| source.read(self.dialogs.as_ref());
        self.settings.dialogs.as_ref().map(read).transpose()
    }

    fn start_keyholder(&mut self, dialogs: Option<Dialogs>) -> Result<(), String> {
        self.spawn_keyholder(dialogs).map_err(|reason| format!("keyholder: {reason}"))
    }

    fn spawn_keyholder(&mut self, dialogs: Option<Dialogs>) -> io::Result<()> {
        if let Some(superseded) = self.reading.take() {
            self.retired.push(superseded.pid);
        }
        self.reading = Some(Keyholder::start(&self.settings.keyholder_variables, dialogs)?);
        Ok(())
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

    /// Takes what a keyholder that reads the files says.
    pub(super) fn hear_reading(&mut self) -> Reading {
        let Some(reading) = &mut self.reading else { return Reading::Unfinished };
        let length = receive(&reading.control, &mut self.buffer).map_or(0, |got| got.length);
        match self.buffer.get(..length).and_then(FromKeyholder::decode) {
            Some(FromKeyholder::Certificate(certificate)) => {
                reading.certificates.push(certificate);
                Reading::Unfinished
            }
            Some(FromKeyholder::Validity(validity)) => {
                reading.validities.push(validity);
                Reading::Unfinished
            }
            Some(FromKeyholder::Warning(what) | FromKeyholder::Says(what)) => {
                self.log.error(what);
                Reading::Unfinished
            }
            Some(FromKeyholder::Ready) => self.take_over(),
            Some(FromKeyholder::Broken(why)) => self.reading_failed(why),
            None => self.reading_failed("the keyholder ended while it read".into()),
        }
    }

    fn reading_failed(&mut self, why: String) -> Reading {
        self.retired.extend(self.reading.take().map(|one| one.pid));
        if self.keyholder.is_none() {
            self.retry_later();
        }
        Reading::Failed(why)
    }

    fn take_over(&mut self) -> Reading {
        self.dialogs = self.reading.as_mut().and_then(|reading| reading.dialogs.take());
        let previous = std::mem::replace(&mut self.keyholder, self.reading.take());
        self.retired.extend(previous.map(|one| one.pid));
        self.retire_engines();
        self.retry = None;
        self.say_what_is_not_valid(Instant::now());
        self.fill_up();
        if self.serving() {
            Reading::TookOver
        } else {
            Reading::Failed("no engine could be started".into())
        }
    }

    /// Starts what engines are missing.
    fn fill_up(&mut self) {
        while self.keyholder.is_some() && self.current().count() < self.settings.engines {
            if let Err(reason) = self.start_engine() {
                self.log.error(format_args!("unable to start an engine: {reason}"));
                self.retry_later();
                return;
            }
        }
    }

    fn start_engine(&mut self) -> io::Result<()> {
        let Some(keyholder) = &self.keyholder else { return Ok(()) };
        let (keys, keys_theirs) = channel()?;
        // The keyholder must not be held up by an engine that does not listen.
        unblock(&keys)?;
        keyholder.serve(&keys)?;
        let keys = (keyholder.pid, keys_theirs);
        let mut engine =
            Engine::start(self.last_engine + 1, &self.settings.engine_variables, keys)?;
        self.last_engine += 1;
        for certificate in &keyholder.certificates {
            engine.say(&ToEngine::Certificate(certificate.clone()), &[])?;
        }
        for (id, dialog) in self.dialogs.iter().flat_map(Dialogs::all) {
            engine.say(&ToEngine::Dialog(id, dialog.clone()), &[])?;
        }
        engine.say(&ToEngine::Begin, &[])?;
        if let Some(monitor) = &mut self.monitor {
            logins::join(&mut engine, monitor)?;
        }
        self.engines.push(engine);
        Ok(())
    }

    /// Asks the keyholder and all engines for an answer, and ends those that still owe the
    /// last ones: that is seen as any other death.
    fn look_after_all(&mut self, now: Instant) {
        self.next_look = now + LOOK;
        if let Some(stuck) = self.keyholder.as_mut().and_then(|one| (!one.ask()).then_some(&*one)) {
            self.log.error(format_args!("keyholder {} is stuck", stuck.pid));
            kill(stuck.pid);
        }
        self.look_after_monitor();
        for engine in &mut self.engines {
            engine.lately = 0;
            if !engine.ask() {
                self.log.error(format_args!("engine {} is stuck", engine.pid));
                kill(engine.pid);
            } else if engine.holds_more_than_it_says() {
                let line = format_args!("engine {} holds more than it says", engine.pid);
                self.log.error(line);
                kill(engine.pid);
            }
        }
    }

    /// Says which certificates are used although their time is over, or has not come.
    fn say_what_is_not_valid(&mut self, now: Instant) {
        self.next_reminder = now + REMINDER;
        // A clock from before 1970 makes every certificate one that is not valid yet.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let validities = self.keyholder.iter().flat_map(|keyholder| &keyholder.validities);
        validities.filter_map(|one| one.fault(time)).for_each(|fault| self.log.error(fault));
    }

    fn current(&self) -> impl Iterator<Item = &Engine> {
        self.engines.iter().filter(|engine| !engine.retired)
    }

    /// Whether there is an engine for a new connection.
    pub(super) fn serving(&self) -> bool {
        self.current().next().is_some()
    }

    /// Whether all engines there should be are jailed and ready.
    pub(super) fn all_ready(&self) -> bool {
        let monitor_is_ready = self.monitor.as_ref().is_none_or(|monitor| monitor.ready);
        monitor_is_ready && self.serving() && self.current().all(|engine| engine.ready)
    }

    /// Gives a connection to the engine that was given the fewest lately, and of several to the
    /// one that has the fewest: how many it has is its own word.
    pub(super) fn hand_over(
        &mut self,
        message: &ToEngine,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<EngineId> {
        let engine = self.current().min_by_key(|engine| (engine.lately, engine.connections));
        let engine = engine.ok_or_else(|| io::Error::other("there is no engine"))?;
        let id = engine.id;
        self.tell(id, message, descriptors)?;
        if let Some(engine) = self.engine(id) {
            engine.given();
        }
        Ok(id)
    }

    /// Says something to one engine. One that does not take it is stuck, and ended: that is
    /// seen as any other death.
    pub(super) fn tell(
        &mut self,
        id: EngineId,
        message: &ToEngine,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let engine = self.engines.iter_mut().find(|engine| engine.id == id);
        let engine = engine.ok_or_else(|| io::Error::other("the engine is gone"))?;
        let told = engine.say(message, descriptors);
        if told.as_ref().is_err_and(|reason| reason.kind() == io::ErrorKind::WouldBlock) {
            self.log.error(format_args!("engine {} is stuck", engine.pid));
            kill(engine.pid);
        }
        told
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

    /// Takes one message of an engine, where there is one.
    pub(super) fn hear(&mut self, id: EngineId) -> Heard {
        let Some(engine) = self.engines.iter_mut().find(|engine| engine.id == id) else {
            return Heard::Nothing;
        };
        let length = match engine.hear(&mut self.buffer) {
            Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
            heard => heard.map_or(0, |got| got.length),
        };
        let Some(message) = self.buffer.get(..length).and_then(FromEngine::decode) else {
            return Heard::End;
        };
        match message {
            FromEngine::Ready => {
                engine.answered();
                self.pause = PAUSE;
            }
            FromEngine::Failed(..) | FromEngine::Says(_) if !engine.may_say() => {
                let pid = engine.pid;
                self.log.error(format_args!("engine {pid} exceeded its log budget"));
                return Heard::End;
            }
            _ => {}
        }
        Heard::Message(message)
    }

    /// Takes the keyholder's answer; whose process it is where it makes no sense, or has
    /// closed its channel.
    pub(super) fn hear_keyholder(&mut self) -> Option<u32> {
        let keyholder = self.keyholder.as_mut()?;
        let length = match receive(&keyholder.control, &mut self.buffer) {
            Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return None,
            received => received.map_or(0, |got| got.length),
        };
        match self.buffer.get(..length).and_then(FromKeyholder::decode) {
            Some(FromKeyholder::Ready) => keyholder.answered(),
            Some(FromKeyholder::Says(what)) if keyholder.may_say() => {
                let pid = keyholder.pid;
                self.log.error(format_args!("keyholder {pid}: {what}"));
            }
            _ => return Some(keyholder.pid),
        }
        None
    }

    /// The engine has no signatures any more: it keeps the connections that it has, and
    /// another takes its place.
    pub(super) fn cannot_sign(&mut self, id: EngineId) {
        let Some(engine) = self.engine(id).filter(|engine| !engine.retired) else { return };
        engine.retired = true;
        engine.end_if_done();
        let (pid, lived) = (engine.pid, engine.started.elapsed() >= LIVED);
        let line = format_args!("engine {pid} cannot have handshakes signed; starting another");
        self.log.error(line);
        if lived { self.fill_up() } else { self.retry_later() }
    }

    /// The engine whose process it is.
    pub(super) fn engine_of(&self, pid: u32) -> Option<EngineId> {
        self.engines.iter().find(|engine| engine.pid == pid).map(|engine| engine.id)
    }

    /// All processes.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        let keyholders = self.reading.iter().chain(&self.keyholder).map(|one| one.pid);
        let engines = self.engines.iter().map(|engine| engine.pid);
        let monitor = self.monitor.iter().map(|one| one.pid);
        keyholders.chain(monitor).chain(engines).chain(self.retired.iter().copied())
    }

    /// The engine's process.
    pub(super) fn pid_of(&self, id: EngineId) -> Option<u32> {
        self.engines.iter().find(|engine| engine.id == id).map(|engine| engine.pid)
    }

    /// A process has ended, of which all messages have been heard. Says whether it
    /// was one of these, starts it anew where it is needed, and logs what nobody
    /// wanted.
    pub(super) fn ended(&mut self, pid: u32, how: How) -> bool {
        if let Some(at) = self.retired.iter().position(|retired| *retired == pid) {
            self.retired.swap_remove(at);
        } else if let Some(at) = self.engines.iter().position(|engine| engine.pid == pid) {
            let engine = self.engines.swap_remove(at);
            self.tell_monitor(&ToMonitor::EngineEnded(engine.id));
            self.end_unused_keyholders();
            if !engine.retired {
                self.log.error(format_args!("engine {pid} died: {how}; starting another"));
                if engine.started.elapsed() < LIVED { self.retry_later() } else { self.fill_up() }
            }
        } else if self.monitor.as_ref().is_some_and(|one| one.pid == pid) {
            self.monitor_ended(how);
        } else if self.keyholder.as_ref().is_some_and(|one| one.pid == pid) {
            self.log.error(format_args!("keyholder {pid} died: {how}; starting another"));
            self.keyholder = None;
            // Without it they can do no handshake; what they have may go on.
            self.retire_engines();
            self.read_files_again();
        } else {
            return self.reading.as_ref().is_some_and(|one| one.pid == pid);
        }
        true
    }

    /// Replaces a keyholder that has died. What engines say is known already, so a control
    /// file that has become bad since keeps nobody out.
    fn read_files_again(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let dialogs = self.read_dialogs().unwrap_or_else(|why| {
            self.log.error(format_args!("{why}; keeping the previous ones"));
            self.dialogs.clone()
        });
        if let Err(why) = self.start_keyholder(dialogs) {
            self.log.error(why);
            self.retry_later();
        }
    }

    /// Ends retired keyholders that no engine is left for. They do so by themselves, unless
    /// an engine left its channel with somebody, who is none of ours to wait for.
    fn end_unused_keyholders(&self) {
        let unused = |pid: &u32| self.engines.iter().all(|engine| engine.keyholder != *pid);
        self.retired.iter().copied().filter(unused).for_each(kill);
    }

    fn retry_later(&mut self) {
        self.retry = Some(Instant::now() + self.pause);
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
    }

    /// When [`Self::tick`] next has something to do.
    pub(super) fn next_tick(&self) -> Instant {
        let turns = [self.next_look, self.next_reminder];
        let again = [self.retry, self.monitor_again].into_iter().flatten();
        again.chain(turns).fold(self.next_look, Instant::min)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if now >= self.next_look {
            self.look_after_all(now);
            self.end_unused_keyholders();
        }
        if now >= self.next_reminder {
            self.say_what_is_not_valid(now);
        }
        if self.monitor_again.take_if(|again| now >= *again).is_some() {
            self.start_monitor_again();
        }
        if self.retry.take_if(|retry| now >= *retry).is_some() {
            if self.keyholder.is_some() {
                self.fill_up();
            } else {
                self.read_files_again();
            }
        }
    }

    fn retire_engines(&mut self) {
        for engine in self.engines.iter_mut().filter(|engine| !engine.retired) {
            engine.retired = true;
            engine.end_if_done();
        }
    }

    /// No connection will come any more.
    pub(super) fn retire_all(&mut self) {
        self.retire_engines();
        self.retry = None;
        let keyholders = self.keyholder.take().into_iter().chain(self.reading.take());
        self.retired.extend(keyholders.map(|one| one.pid));
    }

    /// Whether no process is left.
    pub(super) fn all_gone(&self) -> bool {
        let none = self.keyholder.is_none() && self.reading.is_none();
        none && self.engines.is_empty() && self.retired.is_empty()
    }
}

#[cfg(test)]
mod tests;
