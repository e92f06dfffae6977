//! How a connection begins: accepted, its PROXY header read, found to be allowed,
//! and handed to a program and an engine.

use proto::channel::ConnectionId;
use proto::channel::engine::{DialogId, DialogSetup, ToEngine};
use proto::names::Variable;
use proto::ucspi_tls::{Decoder, Progress as Report};
use proto::variables;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::connections::{EngineId, TooMany};
use super::course::Accepting;
use super::dialog::Arrival;
use super::logins::keep_socket;
use super::proxy::{Pending, Progress};
use super::report::{Denial, Event, Fault};
use super::rules;
use super::server::{Room, Server};
use super::sockets::{Accepted, Refusal, accept};
use super::unable::Unable;
use crate::engine::fact_variables;
use crate::environment::Variables;
use crate::options::Mode;
use crate::program::{Peer, Program, Running};

/// How long a client that has not logged in keeps its place while others wait.
const TIME_TO_LOG_IN: Duration = Duration::from_secs(10);

/// Connections accepted before anything else is looked at again.
const MOST_ACCEPTED_AT_ONCE: usize = 16;

/// A client that may connect.
struct Admitted {
    id: ConnectionId,
    /// What the rules add for it.
    added: Variables,
    /// What it is told, where an engine talks to it.
    dialog: Option<(DialogId, DialogSetup)>,
}

impl Server {
    /// Takes some of the connections that wait, but not so many at once that a flood
    /// of them would keep all else waiting.
    pub(super) fn on_listening(&mut self, at: usize) -> Result<(), Unable> {
        // Somebody waits there now, which is not known any more once one was taken.
        if self.policy.proxy_protocol.is_none() {
            self.say_others_wait();
            self.evict();
        }
        for _ in 0..MOST_ACCEPTED_AT_ONCE {
            if !self.accept_one(at)? {
                break;
            }
        }
        Ok(())
    }

    /// When a client that has not logged in is to go, if others should wait by then: once it
    /// has had its time, where there is no room otherwise.
    pub(super) fn evicts_at(&self) -> Option<Instant> {
        let since = self.connections.longest_before_login().filter(|_| self.room() == Room::Full);
        since.map(|since| since + TIME_TO_LOG_IN)
    }

    /// Says that there is no room for clients that wait, where there is none and that is news.
    fn say_others_wait(&mut self) {
        let now = Instant::now();
        if self.room() != Room::Full || !self.crowd.seen(now) {
            return;
        }
        let event = Event::LimitReached(self.connections.limit());
        if self.repeated.count(now, event.to_string()) {
            event.log(self.log);
        }
    }

    fn evict(&mut self) {
        if self.evicts_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let Some((id, engine)) = self.connections.evict() else { return };
        if let Some(connection) = self.connections.get(id) {
            Event::Evicted(connection.peer).log(self.log);
        }
        if let Err(reason) = self.workers.send(engine, &ToEngine::Evict(id), &[]) {
            self.fault(id, &Fault::Engine(reason));
        }
    }

    /// Takes one, if there is one and it may be taken; says whether it did.
    ///
    /// # Errors
    /// That nothing can be accepted any more.
    pub(super) fn accept_one(&mut self, at: usize) -> Result<bool, Unable> {
        if self.may_accept() { self.take_one(at) } else { Ok(false) }
    }

    /// The same although there may be no room for it: it can be sent away at least.
    ///
    /// # Errors
    /// As [`Self::accept_one`].
    pub(super) fn take_one(&mut self, at: usize) -> Result<bool, Unable> {
        self.take_one_and(at, Self::on_accepted)
    }

    /// Takes one at the server's end: where there is no room, only the log is told.
    ///
    /// # Errors
    /// As [`Self::accept_one`].
    pub(super) fn take_late_one(&mut self, at: usize) -> Result<bool, Unable> {
        if self.talks() || self.may_accept() {
            return self.take_one(at);
        }
        self.take_one_and(at, |server, accepted| server.deny_late(&accepted))
    }

    /// A client that has no place when the server ends.
    pub(super) fn deny_late(&self, accepted: &Accepted) {
        self.deny(accepted.remote.ip(), &Denial::ServerEnds);
    }

    fn take_one_and(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Self, Accepted),
    ) -> Result<bool, Unable> {
        let Some(listening) = self.listening.get(at) else { return Ok(false) };
        match accept(listening) {
            Ok(None) => Ok(false),
            Ok(Some(accepted)) => {
                act(self, accepted);
                self.accepting = Accepting::Freely;
                Ok(true)
            }
            Err(Refusal::Broken(reason)) => Err(Unable::Accept(reason)),
            Err(Refusal::Exhausted(reason)) => {
                if self.accepting.pause(Instant::now()) {
                    Event::NotAccepted(&reason).log(self.log);
                }
                Ok(false)
            }
        }
    }

    fn on_accepted(&mut self, accepted: Accepted) {
        let Some(balancers) = &self.policy.proxy_protocol else { return self.begin(accepted) };
        let peer = accepted.remote.ip();
        if balancers.is_empty() || balancers.iter().any(|one| one.contains(peer)) {
            self.pending.push(Pending::new(accepted, Instant::now()));
        } else {
            self.deny(peer, &Denial::NotABalancer);
        }
    }

    pub(super) fn on_header(&mut self, at: usize) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        let progress = pending.advance(Instant::now());
        if progress != Progress::NeedInput {
            let accepted = self.pending.remove(at).accepted;
            self.on_header_over(accepted, progress);
        }
    }

    pub(super) fn end_late_headers(&mut self, now: Instant) {
        let late = |one: &mut Pending| now >= one.deadline;
        let late: Vec<Pending> = self.pending.extract_if(.., late).collect();
        for one in late {
            let progress = one.at_deadline();
            self.on_header_over(one.accepted, progress);
        }
    }

    fn on_header_over(&mut self, accepted: Accepted, progress: Progress) {
        match progress {
            Progress::Done(remote, local) => {
                self.queued.push_back(Accepted { remote, local, ..accepted });
            }
            Progress::Refused(why) => self.deny(accepted.remote.ip(), &Denial::Header(why)),
            Progress::Nothing | Progress::NeedInput => {}
        }
    }

    /// Begins those whose header is there, as far as there is room; all of them where they are
    /// to be told that the server ends.
    pub(super) fn begin_queued(&mut self) {
        let are_told = self.course.is_leaving() && self.talks();
        while (are_told || self.room() == Room::Free)
            && let Some(accepted) = self.queued.pop_front()
        {
            self.begin(accepted);
        }
        if !self.queued.is_empty() {
            self.say_others_wait();
            self.evict();
        } else if self.policy.proxy_protocol.is_some() && self.room() == Room::Free {
            self.crowd.is_over();
        }
    }

    /// Begins a connection whose addresses are known.
    fn begin(&mut self, accepted: Accepted) {
        let peer = accepted.remote.ip();
        match self.admit(peer) {
            Ok(admitted) => {
                self.begin_admitted(accepted, admitted);
                self.log_status();
            }
            Err(why) => self.deny(peer, &why),
        }
    }

    /// Whether a client may connect.
    fn admit(&mut self, peer: IpAddr) -> Result<Admitted, Denial> {
        let added = self.rules_about(peer)?;
        if self.failures.shut_out(peer, &added, self.log) {
            return Err(Denial::TooManyFailures);
        }
        let dialog = self.dialog_for(&added).map_err(Denial::NoDialog)?;
        let limit = limit_in(&added).map_err(Denial::NoLimit)?;
        let id = self.connections.admit(peer, limit);
        let id = id.map_err(|TooMany| Denial::TooManyConnections)?;
        Ok(Admitted { id, added, dialog })
    }

    fn begin_admitted(&mut self, accepted: Accepted, admitted: Admitted) {
        let Admitted { id, added, dialog } = admitted;
        let Accepted { socket, remote, local } = accepted;
        let mut talk = dialog.zip(self.workers.source()).map(|((name, dialog), source)| {
            source.talk((name, &dialog), &added, id, Instant::now())
        });
        if let Some(talk) = &mut talk {
            keep_socket(talk, &socket);
        }
        let peer = Peer { remote, local, added };
        let begun = match (&self.program, self.policy.mode) {
            (Some(program), Mode::Delayed) => {
                let started = program.start_delayed(&peer, &socket);
                let started = started.map_err(|reason| cannot_run(program, reason));
                started.and_then(|running| self.begin_delayed(id, &peer, &socket, &running))
            }
            _ => self.begin_with_engine(id, Arrival { peer, talk }, &socket),
        };
        if let Err(why) = begun {
            self.fault(id, &why);
            self.let_go(id);
        }
    }

    fn rules_about(&self, peer: IpAddr) -> Result<Variables, Denial> {
        let Some(file) = &self.policy.rules else { return Ok(Vec::new()) };
        match rules::look_up(file, peer) {
            Ok(found) if found.refuse => Err(Denial::ByRules),
            Ok(found) => Ok(found.environment),
            Err(reason)
                if self.policy.missing_rules_allow && reason.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Vec::new())
            }
            Err(reason) => Err(Denial::NoRules(file.clone(), reason)),
        }
    }

    /// The program is first, and says when there is to be TLS.
    fn begin_delayed(
        &mut self,
        id: ConnectionId,
        peer: &Peer,
        socket: &OwnedFd,
        running: &Running<3>,
    ) -> Result<(), Fault> {
        self.started(id, peer.remote, running.pid);
        let [control, input, output] = &running.ends;
        let descriptors = [socket.as_fd(), control.as_fd(), input.as_fd(), output.as_fd()];
        let engine = self.workers.hand_over(&ToEngine::Delayed(id), &descriptors);
        let engine = engine.map_err(Fault::Engine)?;
        self.connections.handed_over(id, engine, None);
        Ok(())
    }

    /// The engine is first, and says when there is to be a program.
    fn begin_with_engine(
        &mut self,
        id: ConnectionId,
        arrival: Arrival,
        socket: &OwnedFd,
    ) -> Result<(), Fault> {
        let message = match &arrival.talk {
            Some(talk) => ToEngine::Talk(id, talk.how.clone()),
            None => ToEngine::Immediate(id),
        };
        let engine = self.workers.hand_over(&message, &[socket.as_fd()]);
        let engine = engine.map_err(Fault::Engine)?;
        let is_talked_to = arrival.talk.is_some();
        self.connections.handed_over(id, engine, Some(arrival));
        if is_talked_to {
            self.connections.awaits_login(id, Instant::now());
        }
        Ok(())
    }

    /// The handshake of an immediate connection is done: now it gets its program.
    pub(super) fn on_secured(&mut self, engine: EngineId, id: ConnectionId, facts: &[u8]) {
        let Some(program) = &self.program else { return };
        let Some(Arrival { peer, .. }) = self.connections.secured(id, engine) else { return };
        let sent = match program.start_secured(&peer, &variables(facts)) {
            Ok(running) => {
                self.started(id, peer.remote, running.pid);
                let ends = running.ends.each_ref().map(AsFd::as_fd);
                self.workers.send(engine, &ToEngine::Program(id), &ends).map_err(Fault::Engine)
            }
            Err(reason) => Err(cannot_run(program, reason)),
        };
        if let Err(why) = sent {
            self.fault(id, &why);
            // For this there is room, but in an engine that is gone or stuck, and so ended.
            let _ = self.workers.send(engine, &ToEngine::Program(id), &[]);
        }
    }

    fn started(&mut self, id: ConnectionId, remote: SocketAddr, pid: u32) {
        self.connections.started(id, pid);
        Event::ProgramStarted(pid, remote.ip()).log(self.log);
    }

    fn deny(&self, peer: IpAddr, why: &Denial) {
        let event = Event::Denied(peer, why);
        if self.repeated.count(Instant::now(), event.to_string()) {
            event.log(self.log);
        }
    }
}

fn cannot_run(program: &Program, reason: io::Error) -> Fault {
    Fault::CannotRun(program.path().to_owned(), reason)
}

/// The limit on connections of one client that the rules set for it, if they do, as
/// ucspi-tcp6's tcpserver reads it; or what they say that is none.
fn limit_in(added: &Variables) -> Result<Option<usize>, Vec<u8>> {
    let Some(said) = variables::value(added, Variable::MaxConnIp) else { return Ok(None) };
    let limit = str::from_utf8(said).ok().and_then(|text| text.parse().ok());
    limit.map(Some).ok_or_else(|| said.to_vec())
}

/// An engine's report as variables; none, where it is not whole.
fn variables(report: &[u8]) -> Variables {
    let mut decoder = Decoder::default();
    match decoder.push(report) {
        Report::Done => fact_variables(decoder.into_facts()),
        _ => Variables::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_rules_is_a_number() {
        let said = |value: &[u8]| limit_in(&vec![(b"MAXCONNIP".to_vec(), value.to_vec())]);
        assert_eq!(limit_in(&Vec::new()), Ok(None));
        assert_eq!(said(b"3"), Ok(Some(3)));
        for wrong in [&b""[..], b"-1", b"many", b"3x", b"\xff"] {
            assert_eq!(said(wrong), Err(wrong.to_vec()));
        }
    }

    #[test]
    fn an_engine_names_facts_and_nothing_else() {
        let report = b"LD_PRELOAD=x\0SSL_CERT_FILE=/x\0SSL_PROTOCOL=TLSv1.3\0SSL_CIPHER\0\0";
        assert_eq!(variables(report), [("SSL_PROTOCOL".into(), "TLSv1.3".into())]);
        assert_eq!(variables(b"SSL_PROTOCOL=TLSv1.3"), []);
    }
}
