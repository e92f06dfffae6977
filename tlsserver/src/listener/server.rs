//! The listener's loop: what has happened, and what is done about it. How a
//! connection begins is in `begin`.

use proto::channel::ConnectionId;
use proto::channel::engine::FromEngine;
use proto::channel::listener::ToMonitor;
use proto::network::{IPV6_CUSTOMER, Network};
use rustix::event::PollFlags;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use unix::deadline::ready_sources;
use unix::notify::{State, Supervisor};
use unix::signals::{Event, Signals};

use super::connections::{Connections, EngineId};
use super::dialog::Arrival;
use super::failures::Failures;
use super::proxy::Pending;
use super::repeated::Repeated;
use super::sockets::{self, Accepted, Listening};
use super::workers::{Heard, Reading, Worker, Workers};
use crate::child::{How, how_it_ended, kill};
use crate::log::Log;
use crate::options::Mode;
use crate::program::Program;

/// Who may connect, and how it begins.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    pub(super) rules: Option<PathBuf>,
    pub(super) missing_rules_allow: bool,
    /// Connections begin with a PROXY header, which these may send; anybody, where they
    /// are none.
    pub(super) proxy_protocol: Option<Vec<Network>>,
    /// Bits of an IPv6 address that are one client's.
    pub(super) ipv6_prefix: u8,
}

/// All that the listener holds.
pub(super) struct Server {
    pub(super) log: Log,
    pub(super) signals: Signals,
    /// Hears how far this is.
    supervisor: Supervisor,
    /// Empty once nothing new is taken.
    pub(super) listening: Vec<Listening>,
    pub(super) program: Program,
    pub(super) workers: Workers,
    pub(super) policy: Policy,
    pub(super) failures: Failures,
    pub(super) connections: Connections<Arrival>,
    /// Connections whose PROXY header has not all arrived.
    pub(super) pending: Vec<Pending>,
    /// Those whose header has, and for which there is no room.
    pub(super) queued: VecDeque<Accepted>,
    pub(super) accept_again: Option<Instant>,
    /// That descriptors have run out has been said, and is still so.
    pub(super) exhausted: bool,
    /// Why nothing can be accepted any more.
    pub(super) broken: Option<io::Error>,
    pub(super) ending: bool,
    /// When it ends although there are clients.
    pub(super) ends_at: Option<Instant>,
    /// The count in the last status line.
    pub(super) said: Option<usize>,
    /// Of what strangers caused.
    pub(super) repeated: Repeated,
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
            proxy_protocol: None,
            ipv6_prefix: IPV6_CUSTOMER,
        };
        Self {
            log,
            signals,
            supervisor: Supervisor::from_environment(),
            listening,
            program,
            workers,
            policy,
            failures: Failures::of_nobody(),
            connections: Connections::new(usize::MAX, usize::MAX),
            pending: Vec::new(),
            queued: VecDeque::new(),
            accept_again: None,
            exhausted: false,
            broken: None,
            ending: false,
            ends_at: None,
            said: None,
            repeated: Repeated::new(Instant::now()),
        }
    }

    /// With what is known of refused logins.
    pub(super) fn remembering(self, failures: Failures) -> Self {
        Self { failures, ..self }
    }

    /// With another policy than to let everybody in, and limits on all connections
    /// and on those from one address.
    pub(super) fn with(self, policy: Policy, (all, each): (usize, usize)) -> Self {
        // As many microseconds as no earlier listener can have had connections.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let last = ConnectionId::try_from(since).unwrap_or_default();
        let connections = Connections::after(last, all, each).by_ipv6_prefix(policy.ipv6_prefix);
        Self { policy, connections, ..self }
    }

    /// Serves until told to end and done. `ready` is called once, when the first
    /// connection can be taken.
    ///
    /// # Errors
    /// Why there is nothing to serve with, before `ready`; later, only that it
    /// cannot wait any more, or accept.
    pub(super) fn serve(mut self, ready: impl FnOnce()) -> Result<(), String> {
        self.workers.start_monitor().map_err(|reason| format!("monitor: {reason}"))?;
        self.workers.read_files()?;
        let mut announce = Some(ready);
        loop {
            if self.may_leave(Instant::now()) {
                return Ok(());
            }
            if self.ending && self.connections.count() + self.without_place() == 0 {
                self.workers.retire_all();
                if self.workers.all_gone() {
                    return Ok(());
                }
            }
            if self.workers.all_ready()
                && let Some(ready) = announce.take()
            {
                ready();
                self.supervisor.tell(State::Ready);
                self.status();
            }
            let starting = announce.is_some();
            for happened in self.wait(starting).map_err(|reason| format!("poll: {reason}"))? {
                self.handle(happened, starting)?;
            }
            if let Some(reason) = self.broken.take() {
                return Err(format!("unable to accept: {reason}"));
            }
            let now = Instant::now();
            self.workers.tick(now);
            self.end_late_headers(now);
            self.begin_queued();
            self.repeated.sums(now).iter().for_each(|line| self.log.error(line));
            unix::log::catch_up();
        }
    }

    fn wait(&mut self, starting: bool) -> io::Result<Vec<Ready>> {
        let now = Instant::now();
        self.accept_again.take_if(|again| now >= *again);
        let mut sources = vec![(Ready::Signals, self.signals.as_fd(), PollFlags::IN)];
        let room = self.room_is_made_at();
        let behind_balancer = self.policy.proxy_protocol.is_some();
        let makes_room = !behind_balancer && room.is_some_and(|at| at <= now);
        if !starting && (self.may_accept() || makes_room) {
            let listening = self.listening.iter().enumerate();
            sources.extend(
                listening.map(|(at, one)| (Ready::Listening(at), one.as_fd(), PollFlags::IN)),
            );
        }
        let channels = self.workers.channels();
        sources.extend(channels.map(|(worker, channel)| {
            let out =
                if self.workers.is_behind(worker) { PollFlags::OUT } else { PollFlags::empty() };
            (Ready::Worker(worker), channel, PollFlags::IN | out)
        }));
        let pending = self.pending.iter().enumerate();
        // From the last, for removing one moves those behind it.
        let pending = pending.rev();
        sources.extend(
            pending
                .map(|(at, one)| (Ready::Pending(at), one.accepted.socket.as_fd(), PollFlags::IN)),
        );

        let pending = self.pending.iter().map(|one| one.deadline).min();
        let until = [self.accept_again, pending, room.filter(|at| *at > now), self.ends_at];
        let until = until.into_iter().flatten().fold(self.workers.next_tick(), Instant::min);
        ready_sources(sources, Some(until))
    }

    pub(super) fn may_accept(&self) -> bool {
        // Who may not be a client yet takes no client's place.
        let room = match self.policy.proxy_protocol {
            Some(_) => self.without_place() < self.connections.limit(),
            None => self.has_room(),
        };
        room && self.accept_again.is_none() && self.workers.serving()
    }

    pub(super) fn has_room(&self) -> bool {
        self.connections.count() < self.connections.limit()
    }

    /// Connections behind a load balancer that do not count as clients yet.
    pub(super) fn without_place(&self) -> usize {
        self.pending.len() + self.queued.len()
    }

    fn handle(&mut self, happened: Ready, starting: bool) -> Result<(), String> {
        match happened {
            Ready::Signals => self.take_signals(starting)?,
            Ready::Listening(at) => self.accept_some(at),
            Ready::Pending(at) => self.advance_header(at),
            Ready::Worker(Worker::Engine(id)) => match self.workers.hear(id) {
                Heard::Message(message) => self.heard(id, message, starting)?,
                Heard::Nothing => {}
                Heard::End => {
                    if let Some(pid) = self.workers.pid_of(id) {
                        kill(pid);
                        self.reap(pid, starting)?;
                    }
                }
            },
            Ready::Worker(Worker::Keyholder) => {
                if let Some(pid) = self.workers.hear_keyholder() {
                    kill(pid);
                    self.reap(pid, starting)?;
                }
            }
            Ready::Worker(Worker::Monitor) => self.hear_monitor(starting)?,
            Ready::Worker(Worker::Reading) => match self.workers.hear_reading() {
                Reading::Unfinished => {}
                Reading::TookOver => {
                    if !starting {
                        self.log.status("certificates reloaded");
                        self.supervisor.tell(State::Ready);
                    }
                }
                Reading::Failed(why) if starting => return Err(why),
                Reading::Failed(why) => self.not_read_again(&why),
            },
        }
        Ok(())
    }

    fn take_signals(&mut self, starting: bool) -> Result<(), String> {
        while let Ok(Some(event)) = self.signals.next() {
            match event {
                Event::ChildEnded(pid) => self.reap(pid, starting)?,
                Event::Reload if self.ending => {}
                Event::Reload => {
                    self.supervisor.tell(State::Reloading);
                    let failures = self.failures.read();
                    // It reads that file, too, and would say the same.
                    if failures.is_ok() {
                        self.workers.tell_monitor(&ToMonitor::Reload);
                    }
                    let read = [failures, self.workers.read_files()];
                    read.into_iter()
                        .filter_map(Result::err)
                        .for_each(|why| self.not_read_again(&why));
                }
                Event::Terminate => {
                    if !self.ending {
                        self.ending = true;
                        self.supervisor.tell(State::Stopping);
                        self.stop_listening();
                        self.begin_to_end();
                    }
                }
            }
        }
        Ok(())
    }

    fn not_read_again(&self, why: &str) {
        self.supervisor.tell(State::Ready);
        if self.workers.serving() {
            self.log.error(format_args!("{why}; keeping the previous ones"));
        } else {
            self.log.error(why);
        }
    }

    /// Takes nothing new, but what the system has taken in our name already: those
    /// clients are connected, and a load balancer could not send them elsewhere.
    fn stop_listening(&mut self) {
        for at in 0..self.listening.len() {
            if self.listening.get(at).is_some_and(sockets::close_queue) {
                while self.accept_one(at) {}
            }
        }
        self.listening.clear();
    }

    /// Waits for this child, and for those that may have ended with it unsaid. To wait
    /// for any child has the system look at each, and there are thousands. None is
    /// missed: a program that ends has its engine let go of the connection, and is
    /// looked at then or, should the engine be first, when the next child is told.
    pub(super) fn reap(&mut self, told: u32, starting: bool) -> Result<(), String> {
        let mut may_have_ended = vec![told];
        may_have_ended.extend(self.connections.ending().chain(self.workers.pids()));
        for pid in may_have_ended {
            let Some(how) = how_it_ended(pid) else { continue };
            if self.program_ended(pid, how) {
                continue;
            }
            let engine = self.workers.engine_of(pid);
            // What it still said comes first.
            while let Some(id) = engine
                && let Heard::Message(message) = self.workers.hear(id)
            {
                self.heard(id, message, starting)?;
            }
            if engine.is_some() && starting {
                return Err(format!("engine: {how}"));
            }
            if self.workers.monitor().is_some_and(|monitor| monitor.pid == pid) {
                self.monitor_has_ended(starting)?;
            }
            self.workers.ended(pid, how);
            if let Some(id) = engine {
                self.lose(id);
            }
        }
        Ok(())
    }

    /// Whether it was a connection's.
    fn program_ended(&mut self, pid: u32, how: How) -> bool {
        let ended = self.connections.program_ended(pid);
        if ended {
            match how.0.as_raw() {
                0 => self.log.status(format_args!("end {pid} status 0")),
                number => self.log.status(format_args!("end {pid} status {number}: {how}")),
            }
            self.status();
        }
        ended
    }

    /// No engine has the connection any more.
    pub(super) fn let_go(&mut self, id: ConnectionId) {
        if self.connections.is_with_monitor(id) {
            self.workers.tell_monitor(&ToMonitor::Closed(id));
        }
        let program = self.connections.closed(id);
        if let Some((pid, how)) = program.and_then(|pid| Some((pid, how_it_ended(pid)?))) {
            self.program_ended(pid, how);
        }
    }

    fn lose(&mut self, engine: EngineId) {
        for id in self.connections.engine_lost(engine) {
            self.fault(id, "its engine died");
            self.let_go(id);
        }
        self.status();
    }

    /// Acts on an engine's message.
    ///
    /// # Errors
    /// Why it cannot serve, at the start.
    fn heard(
        &mut self,
        engine: EngineId,
        message: FromEngine,
        starting: bool,
    ) -> Result<(), String> {
        match message {
            FromEngine::Says(why) if starting => return Err(format!("engine: {why}")),
            FromEngine::Says(what) => {
                let pid = self.workers.pid_of(engine).unwrap_or_default();
                self.log.error(format_args!("engine {pid}: {what}"));
            }
            FromEngine::Ready => {}
            FromEngine::CannotSign => self.workers.cannot_sign(engine),
            FromEngine::Secured(id, facts) => {
                if let Some(arrival) = self.connections.secured(id, engine) {
                    self.start_secured(engine, id, &arrival.peer, &facts);
                }
            }
            FromEngine::LogsIn(id) => self.logs_in(engine, id),
            FromEngine::Failed(id, why) if self.connections.is_with(id, engine) => {
                self.fault(id, &why);
            }
            FromEngine::Closed(id) if self.connections.is_with(id, engine) => {
                self.workers.released(engine);
                self.say_if_no_login(id);
                self.let_go(id);
                self.status();
            }
            FromEngine::Failed(..) | FromEngine::Closed(_) => {}
        }
        Ok(())
    }

    /// Says what went wrong with one connection.
    pub(super) fn fault(&self, id: ConnectionId, why: &str) {
        let Some(connection) = self.connections.get(id) else { return };
        let peer = connection.peer;
        let line = format!("tls from {peer}: {why}");
        if !self.repeated.is_to_be_said(&line) {
            return;
        }
        let number = if connection.has_begun { Some(id) } else { connection.pid.map(u64::from) };
        match number {
            Some(pid) => self.log.error(format_args!("tls {pid} from {peer}: {why}")),
            None => self.log.error(line),
        }
    }

    /// A connection with a program is said when that begins and ends.
    fn say_if_no_login(&self, id: ConnectionId) {
        let begun = self.connections.get(id).is_none_or(|connection| connection.has_begun);
        if let Some(Arrival { peer, talk: Some(_) }) = self.connections.waiting(id)
            && !begun
        {
            self.log.status(format_args!("no login from {}", peer.remote.ip()));
        }
    }

    /// Says how many there are, when that has changed.
    pub(super) fn status(&mut self) {
        let (count, limit) = (self.connections.count(), self.connections.limit());
        if self.said.replace(count) != Some(count) {
            self.log.status(format_args!("status: {count}/{limit}"));
        }
    }
}
