//! The listener's loop: what it waits for, and who sees to what has happened. That is: `begin`
//! to a connection that begins, `engines`, `logins` and `children` to the other processes,
//! `signals` to the administrator.

use proto::channel::ConnectionId;
use proto::network::Network;
use rustix::event::PollFlags;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use unix::deadline::ready_sources;
use unix::notify::{State, Supervisor};
use unix::signals::Signals;

use super::connections::{Connections, EngineId};
use super::course::{Accepting, Course};
use super::crowd::Crowd;
use super::dialog::Arrival;
use super::failures::Failures;
use super::proxy::Pending;
use super::repeated::Repeated;
use super::report::Event;
use super::sockets::{Accepted, Listening};
use super::unable::Unable;
use super::workers::{Worker, Workers};
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

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) all: usize,
    /// From one address.
    pub(super) each: usize,
}

/// What a server is made of, all of it there before it begins.
pub(super) struct Parts {
    pub(super) log: Log,
    pub(super) signals: Signals,
    pub(super) listening: Vec<Listening>,
    /// What runs for each connection; none where the monitor runs it.
    pub(super) program: Option<Program>,
    pub(super) workers: Workers,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    /// What is known of refused logins.
    pub(super) failures: Failures,
}

/// All that the listener holds.
pub(super) struct Server {
    pub(super) log: Log,
    pub(super) signals: Signals,
    /// Is told how far this is.
    pub(super) supervisor: Supervisor,
    /// Empty once nothing new is taken.
    pub(super) listening: Vec<Listening>,
    /// What is started for a connection; none where the monitor starts it, for a login.
    pub(super) program: Option<Program>,
    pub(super) workers: Workers,
    pub(super) policy: Policy,
    pub(super) failures: Failures,
    pub(super) connections: Connections<Arrival>,
    /// Connections whose PROXY header has not all arrived.
    pub(super) pending: Vec<Pending>,
    /// Those whose header has, and for which there is no room.
    pub(super) queued: VecDeque<Accepted>,
    /// Those whose clients begin to log in, of whom the monitor is still to hear.
    pub(super) begin_to_log_in: BTreeMap<ConnectionId, EngineId>,
    pub(super) accepting: Accepting,
    pub(super) course: Course,
    /// Clients that wait for others to go.
    pub(super) crowd: Crowd,
    /// The count in the last status line.
    last_count: Option<usize>,
    /// Lines that strangers cause.
    pub(super) repeated: Repeated,
}

/// Whether a client may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// Once another has gone.
    Full,
    /// Once there is an engine again.
    NoEngines,
}

/// What is ready.
enum Ready {
    Signals,
    Listening(usize),
    Worker(Worker),
    Pending(usize),
}

impl Server {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { log, signals, listening, program, workers, policy, limits, failures } = parts;
        // As many microseconds as no earlier listener can have had connections.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let last = ConnectionId::try_from(since).unwrap_or_default();
        let connections = Connections::after(last, limits.all, limits.each);
        Self {
            log,
            signals,
            supervisor: Supervisor::from_environment(),
            listening,
            program,
            workers,
            failures,
            connections: connections.by_ipv6_prefix(policy.ipv6_prefix),
            policy,
            pending: Vec::new(),
            queued: VecDeque::new(),
            begin_to_log_in: BTreeMap::new(),
            accepting: Accepting::Freely,
            course: Course::Starting,
            crowd: Crowd::default(),
            last_count: None,
            repeated: Repeated::new(Instant::now()),
        }
    }

    /// Serves until told to end and done. `ready` is called once, when the first
    /// connection can be taken.
    ///
    /// # Errors
    /// Why there is nothing to serve with, before `ready`; later, only that it
    /// cannot wait any more, or accept.
    pub(super) fn serve(mut self, ready: impl FnOnce()) -> Result<(), Unable> {
        self.workers.start_monitor().map_err(Unable::Monitor)?;
        self.workers.read_files().map_err(Unable::Files)?;
        let mut announce = Some(ready);
        while !self.leave(Instant::now()) {
            if self.course.is_starting()
                && self.workers.all_ready()
                && let Some(ready) = announce.take()
            {
                self.course = Course::Serving;
                ready();
                self.supervisor.notify(State::Ready);
                self.log_status();
            }
            for happened in self.wait().map_err(Unable::Poll)? {
                self.on_ready(happened)?;
            }
            self.on_turn(Instant::now())?;
        }
        self.log_left_behind();
        self.repeated.finish(Instant::now(), |event| event.log(self.log));
        Ok(())
    }

    /// What is due by the clock, once what has happened has been seen to.
    fn on_turn(&mut self, now: Instant) -> Result<(), Unable> {
        while let Some(pid) = self.signals.unsaid(now) {
            self.on_child_ended(pid)?;
        }
        self.workers.tick(now);
        let late = self.workers.end_late_reading();
        self.on_read(late)?;
        self.end_late_headers(now);
        self.begin_queued();
        self.introduce_waiting();
        self.repeated.sums(now, |event| event.log(self.log));
        unix::log::catch_up();
        Ok(())
    }

    fn wait(&mut self) -> io::Result<Vec<Ready>> {
        let now = Instant::now();
        self.accepting.resume(now);
        let mut sources = vec![(Ready::Signals, self.signals.as_fd(), PollFlags::IN)];
        let behind_balancer = self.policy.proxy_protocol.is_some();
        let evicts = !behind_balancer && self.evicts_at().is_some_and(|at| at <= now);
        let looks = self.looks_who_waits(now);
        if !self.course.is_starting() && (self.may_accept() || evicts || looks) {
            let listening = self.listening.iter().enumerate();
            sources.extend(
                listening.map(|(at, one)| (Ready::Listening(at), one.as_fd(), PollFlags::IN)),
            );
        }
        let channels = self.workers.channels();
        sources.extend(channels.map(|(worker, channel)| {
            let introduces = worker == Worker::Monitor && !self.begin_to_log_in.is_empty();
            let is_paused = self.workers.paused_until(worker, now).is_some();
            let sends = !is_paused && (introduces || self.workers.is_behind(worker));
            let out = if sends { PollFlags::OUT } else { PollFlags::empty() };
            (Ready::Worker(worker), channel, PollFlags::IN | out)
        }));
        let pending = self.pending.iter().enumerate();
        // From the last, for removing one moves those behind it.
        let pending = pending.rev();
        sources.extend(
            pending
                .map(|(at, one)| (Ready::Pending(at), one.accepted.socket.as_fd(), PollFlags::IN)),
        );
        let may_be_over = self.crowd.is_there() && !behind_balancer && self.may_accept();
        let until = if may_be_over { now } else { self.next_turn(now) };
        let ready = ready_sources(sources, Some(until))?;
        if may_be_over && !ready.iter().any(|one| matches!(one, Ready::Listening(_))) {
            self.crowd.is_over();
        }
        Ok(ready)
    }

    /// When something is due by the clock next.
    fn next_turn(&self, now: Instant) -> Instant {
        let workers = self.workers.channels();
        let again = workers.filter_map(|(worker, _)| self.workers.paused_until(worker, now)).min();
        let pending = self.pending.iter().map(|one| one.deadline).min();
        let paused = self.accepting.paused_until();
        let eviction = self.evicts_at().filter(|at| *at > now);
        let turns =
            [paused, again, pending, eviction, self.course.ends_at(), self.signals.next_look()];
        turns.into_iter().flatten().fold(self.workers.next_tick(), Instant::min)
    }

    /// Whether it would be news that somebody waits, as there is no room. Behind a load
    /// balancer those have been accepted.
    fn looks_who_waits(&self, now: Instant) -> bool {
        self.policy.proxy_protocol.is_none()
            && !self.crowd.is_known(now)
            && self.room() == Room::Full
    }

    /// Whether a client may begin now.
    pub(super) fn room(&self) -> Room {
        if !self.workers.serving() {
            Room::NoEngines
        } else if self.connections.count() < self.connections.limit() {
            Room::Free
        } else {
            Room::Full
        }
    }

    /// Whether one may be accepted, to begin or to wait for its header.
    pub(super) fn may_accept(&self) -> bool {
        let room = match self.room() {
            Room::NoEngines => false,
            // Who may not be a client yet takes no client's place.
            _ if self.policy.proxy_protocol.is_some() => {
                self.without_place() < self.connections.limit()
            }
            room => room == Room::Free,
        };
        room && self.accepting.paused_until().is_none()
    }

    /// Whether there are engines, and they talk to clients.
    pub(super) fn talks(&self) -> bool {
        self.workers.source().is_some() && self.workers.serving()
    }

    /// Connections behind a load balancer that do not count as clients yet.
    pub(super) fn without_place(&self) -> usize {
        self.pending.len() + self.queued.len()
    }

    fn on_ready(&mut self, happened: Ready) -> Result<(), Unable> {
        match happened {
            Ready::Signals => self.on_signals(),
            Ready::Listening(at) => self.on_listening(at),
            Ready::Pending(at) => {
                self.on_header(at);
                Ok(())
            }
            Ready::Worker(Worker::Engine(id)) => self.on_engine(id),
            Ready::Worker(Worker::Keyholder) => self.on_keyholder(),
            Ready::Worker(Worker::Monitor) => self.on_monitor(),
            Ready::Worker(Worker::Reading) => self.on_reading(None),
        }
    }

    /// Logs how many there are, when that has changed.
    pub(super) fn log_status(&mut self) {
        let (count, limit) = (self.connections.count(), self.connections.limit());
        if self.last_count.replace(count) != Some(count) {
            Event::Status(count, limit).log(self.log);
        }
    }
}
