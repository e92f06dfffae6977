//! The listener's loop: what has happened, and what is done about it.

use proto::ucspi_rules;
use proto::ucspi_tls::{Decoder, Progress as Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus, wait};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use unix::signals::{Event, Signals};

use super::connections::{Connections, EngineId};
use super::program::{Peer, Program};
use super::proxy::{Pending, Progress};
use super::sockets::{self, Accepted, Listening, accept};
use super::workers::{Reading, Worker, Workers};
use super::{kill, rules};
use crate::environment::Variables;
use crate::log::Log;
use crate::messages::{ConnectionId, FromEngine, ToEngine};
use crate::options::Mode;

/// How long nothing is accepted after descriptors ran out.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Who may connect, and how it begins.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    pub(super) rules: Option<PathBuf>,
    pub(super) missing_rules_allow: bool,
    pub(super) proxy_protocol: bool,
}

/// All that the listener holds.
pub(super) struct Server {
    log: Log,
    signals: Signals,
    /// Empty once nothing new is taken.
    listening: Vec<Listening>,
    program: Program,
    workers: Workers,
    policy: Policy,
    connections: Connections<Peer>,
    /// Connections whose PROXY header has not all arrived.
    pending: Vec<Pending>,
    accept_again: Option<Instant>,
    /// That descriptors have run out has been said, and is still so.
    exhausted: bool,
    ending: bool,
    /// The count in the last status line.
    said: Option<usize>,
}

/// What is ready.
enum Ready {
    Signals,
    Listening(usize),
    Worker(Worker),
    Pending(usize),
}

impl Server {
    pub(super) fn new(
        log: Log,
        signals: Signals,
        listening: Vec<Listening>,
        program: Program,
        workers: Workers,
    ) -> Self {
        let policy = Policy {
            mode: Mode::Immediate,
            rules: None,
            missing_rules_allow: false,
            proxy_protocol: false,
        };
        Self {
            log,
            signals,
            listening,
            program,
            workers,
            policy,
            connections: Connections::new(usize::MAX, usize::MAX),
            pending: Vec::new(),
            accept_again: None,
            exhausted: false,
            ending: false,
            said: None,
        }
    }

    /// With another policy than to let everybody in, and limits on all connections
    /// and on those from one address.
    pub(super) fn with(self, policy: Policy, (all, each): (usize, usize)) -> Self {
        Self { policy, connections: Connections::new(all, each), ..self }
    }

    /// Serves until told to end and done. `ready` is called once, when the first
    /// connection can be taken.
    ///
    /// # Errors
    /// Why there is nothing to serve with, before `ready`; later, only that it
    /// cannot wait any more.
    pub(super) fn serve(mut self, ready: impl FnOnce()) -> Result<(), String> {
        self.workers.read_certificates().map_err(|reason| format!("keyholder: {reason}"))?;
        let mut announce = Some(ready);
        loop {
            if self.ending && self.connections.count() + self.pending.len() == 0 {
                self.workers.retire_all();
                if self.workers.all_gone() {
                    return Ok(());
                }
            }
            if self.workers.all_ready()
                && let Some(ready) = announce.take()
            {
                ready();
                self.status();
            }
            let starting = announce.is_some();
            for happened in self.wait(starting).map_err(|reason| format!("poll: {reason}"))? {
                self.handle(happened, starting)?;
            }
            let now = Instant::now();
            self.workers.tick(now);
            self.drop_late_headers(now);
        }
    }

    fn wait(&mut self, starting: bool) -> rustix::io::Result<Vec<Ready>> {
        let now = Instant::now();
        self.accept_again.take_if(|again| now >= *again);
        let mut sources = vec![(Ready::Signals, self.signals.as_fd())];
        if !starting && self.may_accept() {
            let listening = self.listening.iter().enumerate();
            sources.extend(listening.map(|(at, one)| (Ready::Listening(at), one.as_fd())));
        }
        let channels = self.workers.channels();
        sources.extend(channels.map(|(worker, channel)| (Ready::Worker(worker), channel)));
        let pending = self.pending.iter().enumerate();
        // From the last, for removing one moves those behind it.
        let pending = pending.rev();
        sources.extend(pending.map(|(at, one)| (Ready::Pending(at), one.accepted.socket.as_fd())));

        let mut waiting: Vec<PollFd<'_>> = sources
            .iter()
            .map(|(_, source)| PollFd::from_borrowed_fd(*source, PollFlags::IN))
            .collect();
        let until = [self.accept_again, self.pending.first().map(|one| one.deadline)];
        let until = until.into_iter().flatten().fold(self.workers.next_tick(), Instant::min);
        let timeout = Timespec::try_from(until.saturating_duration_since(now)).ok();
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(reason) => return Err(reason),
        }
        let happened: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
        let sources = sources.into_iter().zip(happened);
        Ok(sources.filter_map(|((source, _), happened)| happened.then_some(source)).collect())
    }

    fn may_accept(&self) -> bool {
        let taken = self.connections.count() + self.pending.len();
        taken < self.connections.limit() && self.accept_again.is_none() && self.workers.serving()
    }

    fn handle(&mut self, happened: Ready, starting: bool) -> Result<(), String> {
        match happened {
            Ready::Signals => self.take_signals(starting)?,
            Ready::Listening(at) => self.accept(at),
            Ready::Pending(at) => self.advance_header(at),
            Ready::Worker(Worker::Engine(id)) => {
                if let Some(message) = self.workers.hear(id) {
                    self.heard(id, message);
                } else if let Some(pid) = self.workers.pid_of(id) {
                    // It has closed its channel, or talks nonsense: nothing sane.
                    kill(pid);
                    self.reap(starting)?;
                }
            }
            Ready::Worker(Worker::Reading) => match self.workers.hear_reading() {
                Reading::Unfinished => {}
                Reading::TookOver => {
                    if !starting {
                        self.log.status("certificates read again");
                    }
                }
                Reading::Failed(why) if starting => return Err(why),
                Reading::Failed(why) => {
                    let after = if self.workers.serving() { "; the old ones stay" } else { "" };
                    self.log.error(format_args!("{why}{after}"));
                }
            },
        }
        Ok(())
    }

    fn take_signals(&mut self, starting: bool) -> Result<(), String> {
        while let Ok(Some(event)) = self.signals.next() {
            match event {
                Event::ChildEnded => self.reap(starting)?,
                Event::Reload if self.ending => {}
                Event::Reload => {
                    if let Err(reason) = self.workers.read_certificates() {
                        self.log.error(format_args!("keyholder: {reason}; the old ones stay"));
                    }
                }
                Event::Terminate => {
                    self.ending = true;
                    self.stop_listening();
                }
            }
        }
        Ok(())
    }

    /// Takes nothing new, but what the system has taken in our name already: those
    /// clients are connected, and a load balancer could not send them elsewhere.
    fn stop_listening(&mut self) {
        for at in 0..self.listening.len() {
            if self.listening.get(at).is_some_and(sockets::close_queue) {
                self.accept(at);
            }
        }
        self.listening.clear();
    }

    /// Waits for all children that have ended.
    fn reap(&mut self, starting: bool) -> Result<(), String> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_pid().cast_unsigned();
            if self.connections.program_ended(pid) {
                self.log.status(format_args!("end {pid} status {}", status.as_raw()));
                self.status();
                continue;
            }
            let engine = self.workers.engine_of(pid);
            // What it still said comes first.
            while let Some((id, message)) = engine.and_then(|id| Some((id, self.workers.hear(id)?)))
            {
                self.heard(id, message);
            }
            if engine.is_some() && starting {
                return Err(format!("engine: {}", in_words(status)));
            }
            self.workers.ended(pid, &in_words(status));
            if let Some(id) = engine {
                self.lose(id);
            }
        }
        Ok(())
    }

    fn lose(&mut self, engine: EngineId) {
        for id in self.connections.engine_lost(engine) {
            self.fault(id, "its engine died");
            self.connections.closed(id);
        }
        self.status();
    }

    fn accept(&mut self, at: usize) {
        while self.may_accept() {
            let Some(listening) = self.listening.get(at) else { return };
            match accept(listening) {
                Ok(None) => return,
                Ok(Some(accepted)) if self.policy.proxy_protocol => {
                    self.pending.push(Pending::new(accepted, Instant::now()));
                }
                Ok(Some(accepted)) => self.begin(accepted),
                Err(reason) => {
                    if !std::mem::replace(&mut self.exhausted, true) {
                        self.log.error(format_args!("unable to accept: {reason}"));
                    }
                    self.accept_again = Some(Instant::now() + EXHAUSTED);
                    return;
                }
            }
            self.exhausted = false;
        }
    }

    fn advance_header(&mut self, at: usize) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        let progress = pending.advance();
        if progress == Progress::NeedInput {
            return;
        }
        let accepted = self.pending.remove(at).accepted;
        match progress {
            Progress::Done(remote, local) => self.begin(Accepted { remote, local, ..accepted }),
            Progress::Refused(why) => self.refuse(accepted.remote.ip(), &format!("PROXY: {why}")),
            Progress::Nothing | Progress::NeedInput => {}
        }
    }

    fn drop_late_headers(&mut self, now: Instant) {
        let (log, late) = (self.log, |one: &Pending| now >= one.deadline);
        for one in self.pending.iter().filter(|one| late(one)) {
            log.error(format_args!(
                "deny from {}: PROXY: no header in time",
                one.accepted.remote.ip()
            ));
        }
        self.pending.retain(|one| !late(one));
    }

    /// Begins a connection whose addresses are known.
    fn begin(&mut self, accepted: Accepted) {
        let peer = accepted.remote.ip();
        let added = match self.rules_about(peer) {
            Ok(added) => added,
            Err(why) => return self.refuse(peer, &why),
        };
        let Ok(id) = self.connections.admit(peer) else {
            return self.refuse(peer, "too many connections from there");
        };
        let Accepted { socket, remote, local } = accepted;
        let peer = Peer { remote, local, added };
        let begun = match self.policy.mode {
            Mode::Delayed => self.begin_delayed(id, &peer, &socket),
            Mode::Immediate => self.begin_immediate(id, peer, &socket),
        };
        if let Err(why) = begun {
            self.fault(id, &why);
            self.connections.closed(id);
        }
        self.status();
    }

    fn rules_about(&self, peer: IpAddr) -> Result<ucspi_rules::Variables, String> {
        let Some(file) = &self.policy.rules else { return Ok(Vec::new()) };
        match rules::look_up(file, peer) {
            Ok(found) if found.refuse => Err("by the rules".into()),
            Ok(found) => Ok(found.environment),
            Err(reason)
                if self.policy.missing_rules_allow
                    && reason.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(Vec::new())
            }
            Err(reason) => Err(format!("rules: {}: {reason}", file.display())),
        }
    }

    fn begin_delayed(
        &mut self,
        id: ConnectionId,
        peer: &Peer,
        socket: &OwnedFd,
    ) -> Result<(), String> {
        let started = self.program.start_delayed(peer, socket);
        let running = started.map_err(|reason| self.cannot_run(&reason))?;
        self.started(id, peer.remote, running.pid);
        let [control, input, output] = &running.ends;
        let descriptors = [socket.as_fd(), control.as_fd(), input.as_fd(), output.as_fd()];
        let engine = self.workers.hand_over(&ToEngine::Delayed(id), &descriptors);
        let engine = engine.map_err(|reason| format!("engine: {reason}"))?;
        self.connections.handed_over(id, engine, None);
        Ok(())
    }

    fn begin_immediate(
        &mut self,
        id: ConnectionId,
        peer: Peer,
        socket: &OwnedFd,
    ) -> Result<(), String> {
        let engine = self.workers.hand_over(&ToEngine::Immediate(id), &[socket.as_fd()]);
        let engine = engine.map_err(|reason| format!("engine: {reason}"))?;
        self.connections.handed_over(id, engine, Some(peer));
        Ok(())
    }

    fn heard(&mut self, engine: EngineId, message: FromEngine) {
        match message {
            FromEngine::Ready => {}
            FromEngine::Secured(id, facts) => {
                if let Some(peer) = self.connections.secured(id, engine) {
                    self.start_secured(engine, id, &peer, &facts);
                }
            }
            FromEngine::Failed(id, why) if self.connections.is_with(id, engine) => {
                self.fault(id, &why);
            }
            FromEngine::Closed(id) if self.connections.is_with(id, engine) => {
                self.workers.released(engine);
                self.connections.closed(id);
                self.status();
            }
            FromEngine::Failed(..) | FromEngine::Closed(_) => {}
        }
    }

    /// The handshake of an immediate connection is done: now it gets its program.
    /// If it cannot have one, the engine's ends that are dropped here tell it so.
    fn start_secured(&mut self, engine: EngineId, id: ConnectionId, peer: &Peer, facts: &[u8]) {
        let told = match self.program.start_secured(peer, variables(facts)) {
            Ok(running) => {
                self.started(id, peer.remote, running.pid);
                let [input, output] = &running.ends;
                let descriptors = [input.as_fd(), output.as_fd()];
                self.workers.tell(engine, &ToEngine::Program(id), &descriptors)
            }
            Err(reason) => {
                let why = self.cannot_run(&reason);
                self.fault(id, &why);
                self.workers.tell(engine, &ToEngine::Program(id), &[])
            }
        };
        if let Err(reason) = told {
            self.fault(id, &format!("engine: {reason}"));
        }
    }

    fn started(&mut self, id: ConnectionId, remote: SocketAddr, pid: u32) {
        self.connections.started(id, pid);
        self.log.status(format_args!("pid {pid} from {}", remote.ip()));
    }

    fn cannot_run(&self, reason: &std::io::Error) -> String {
        format!("unable to run {}: {reason}", self.program.path().display())
    }

    /// Says what went wrong with one connection.
    fn fault(&self, id: ConnectionId, why: &str) {
        let Some(connection) = self.connections.get(id) else { return };
        let peer = connection.peer;
        match connection.pid {
            Some(pid) => self.log.error(format_args!("tls {pid} from {peer}: {why}")),
            None => self.log.error(format_args!("tls from {peer}: {why}")),
        }
    }

    fn refuse(&self, peer: IpAddr, why: &str) {
        self.log.error(format_args!("deny from {peer}: {why}"));
    }

    /// Says how many there are, when that has changed.
    fn status(&mut self) {
        let (count, limit) = (self.connections.count(), self.connections.limit());
        if self.said.replace(count) != Some(count) {
            self.log.status(format_args!("status: {count}/{limit}"));
        }
    }
}

/// An engine's report as variables. It is read as a program would read it: an
/// engine that was taken over can name nothing but facts.
fn variables(facts: &[u8]) -> Variables {
    let mut decoder = Decoder::default();
    if decoder.push(facts) != Report::Done {
        return Variables::new();
    }
    let facts = decoder.into_facts().into_iter();
    let text = OsString::from_vec;
    facts.filter_map(|fact| Some((text(fact.name), text(fact.value?)))).collect()
}

fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => format!("status {}", status.as_raw()),
    }
}
