//! How a connection begins: accepted, its PROXY header read, found to be allowed,
//! and handed to a program and an engine.

use proto::channel::ConnectionId;
use proto::channel::engine::ToEngine;
use proto::ucspi_rules;
use proto::ucspi_tls::{Decoder, Progress as Report};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use super::connections::EngineId;
use super::dialog::Arrival;
use super::logins::keep_socket;
use super::proxy::{Pending, Progress};
use super::rules;
use super::server::Server;
use super::sockets::{Accepted, Refusal, accept};
use crate::engine::FACT_NAMES;
use crate::environment::Variables;
use crate::options::Mode;
use crate::program::Peer;

/// How long nothing is accepted after descriptors ran out.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// How long a client that has not logged in keeps its place while others wait.
const TIME_TO_LOG_IN: Duration = Duration::from_secs(10);

/// What tcprules may add for a client, as ucspi-tcp6's tcpserver reads it.
const LIMIT_OF_ONE: &[u8] = b"MAXCONNIP";

/// Connections accepted before anything else is looked at again.
const AT_ONCE: usize = 16;

impl Server {
    /// Takes some of the connections that wait, but not so many at once that a flood
    /// of them would keep all else waiting.
    pub(super) fn accept_some(&mut self, at: usize) {
        // Somebody waits there now, which is not known any more once one was taken.
        if self.policy.proxy_protocol.is_none() {
            self.make_room();
        }
        for _ in 0..AT_ONCE {
            if !self.accept_one(at) {
                return;
            }
        }
    }

    /// When a client that has not logged in must make room, if others should wait by then:
    /// once it has had its time, where there is no room otherwise.
    pub(super) fn room_is_made_at(&self) -> Option<Instant> {
        let nobody_else_can = self.workers.serving() && !self.has_room();
        let since = self.connections.longest_before_login().filter(|_| nobody_else_can);
        since.map(|since| since + TIME_TO_LOG_IN)
    }

    fn make_room(&mut self) {
        if self.room_is_made_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let Some((id, engine)) = self.connections.make_room() else { return };
        if let Some(connection) = self.connections.get(id) {
            let peer = connection.peer;
            self.log
                .status(format_args!("evicted {peer}: not logged in, connection limit reached"));
        }
        if let Err(reason) = self.workers.tell(engine, &ToEngine::MakeRoom(id), &[]) {
            self.fault(id, &format!("engine: {reason}"));
        }
    }

    /// Takes one, if there is one and it may be taken; says whether it did.
    pub(super) fn accept_one(&mut self, at: usize) -> bool {
        let listening = self.listening.get(at).filter(|_| self.may_accept());
        let Some(listening) = listening else { return false };
        match accept(listening) {
            Ok(None) => return false,
            Ok(Some(accepted)) => match &self.policy.proxy_protocol {
                None => self.begin(accepted),
                Some(balancers) => {
                    let peer = accepted.remote.ip();
                    if !balancers.is_empty() && !balancers.iter().any(|one| one.contains(peer)) {
                        self.refuse(peer, "PROXY: address not in --proxy-protocol");
                    } else {
                        self.pending.push(Pending::new(accepted, Instant::now()));
                    }
                }
            },
            Err(Refusal::Broken(reason)) => {
                self.broken = Some(reason);
                return false;
            }
            Err(Refusal::Exhausted(reason)) => {
                if !std::mem::replace(&mut self.exhausted, true) {
                    self.log.error(format_args!("unable to accept: {reason}"));
                }
                self.accept_again = Some(Instant::now() + EXHAUSTED);
                return false;
            }
        }
        self.exhausted = false;
        true
    }

    pub(super) fn advance_header(&mut self, at: usize) {
        let Some(pending) = self.pending.get_mut(at) else { return };
        let progress = pending.advance(Instant::now());
        if progress != Progress::NeedInput {
            let accepted = self.pending.remove(at).accepted;
            self.after_header(accepted, progress);
        }
    }

    pub(super) fn end_late_headers(&mut self, now: Instant) {
        let late = |one: &mut Pending| now >= one.deadline;
        let late: Vec<Pending> = self.pending.extract_if(.., late).collect();
        for one in late {
            let progress = one.at_deadline();
            self.after_header(one.accepted, progress);
        }
    }

    fn after_header(&mut self, accepted: Accepted, progress: Progress) {
        match progress {
            Progress::Done(remote, local) => {
                self.queued.push_back(Accepted { remote, local, ..accepted });
            }
            Progress::Refused(why) => self.refuse(accepted.remote.ip(), &format!("PROXY: {why}")),
            Progress::Nothing | Progress::NeedInput => {}
        }
    }

    /// Begins those whose header is there, as far as there is room.
    pub(super) fn begin_queued(&mut self) {
        while self.has_room()
            && let Some(accepted) = self.queued.pop_front()
        {
            self.begin(accepted);
        }
        if !self.queued.is_empty() {
            self.make_room();
        }
    }

    /// Begins a connection whose addresses are known.
    fn begin(&mut self, accepted: Accepted) {
        let peer = accepted.remote.ip();
        let added = match self.rules_about(peer) {
            Ok(added) => added,
            Err(why) => return self.refuse(peer, &why),
        };
        if self.failures.shuts_out(peer, self.log) {
            return self.refuse(peer, "too many failures");
        }
        let dialog = match self.dialog_for(&added) {
            Ok(dialog) => dialog,
            Err(why) => return self.refuse(peer, &why),
        };
        let Ok(id) = self.connections.admit(peer, limit_in(&added)) else {
            return self.refuse(peer, "too many connections from this address");
        };
        let Accepted { socket, remote, local } = accepted;
        let mut talk = dialog.zip(self.workers.source()).map(|((name, dialog), source)| {
            source.talk((name, &dialog), &added, id, Instant::now())
        });
        if let Some(talk) = &mut talk {
            keep_socket(talk, &socket);
        }
        let peer = Peer { remote, local, added };
        let begun = match self.policy.mode {
            Mode::Delayed if talk.is_none() => self.begin_delayed(id, &peer, &socket),
            Mode::Delayed | Mode::Immediate => {
                self.begin_with_engine(id, Arrival { peer, talk }, &socket)
            }
        };
        if let Err(why) = begun {
            self.fault(id, &why);
            self.let_go(id);
        }
        self.status();
    }

    fn rules_about(&self, peer: IpAddr) -> Result<ucspi_rules::Variables, String> {
        let Some(file) = &self.policy.rules else { return Ok(Vec::new()) };
        match rules::look_up(file, peer) {
            Ok(found) if found.refuse => Err("rejected by rules.cdb".into()),
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

    /// The engine is first, and says when there is to be a program.
    fn begin_with_engine(
        &mut self,
        id: ConnectionId,
        arrival: Arrival,
        socket: &OwnedFd,
    ) -> Result<(), String> {
        let message = match &arrival.talk {
            Some(talk) => ToEngine::Talk(id, talk.how.clone()),
            None => ToEngine::Immediate(id),
        };
        let engine = self.workers.hand_over(&message, &[socket.as_fd()]);
        let engine = engine.map_err(|reason| format!("engine: {reason}"))?;
        let is_talked_to = arrival.talk.is_some();
        self.connections.handed_over(id, engine, Some(arrival));
        if is_talked_to {
            self.connections.awaits_login(id, Instant::now());
        }
        Ok(())
    }

    /// The handshake of an immediate connection is done: now it gets its program.
    /// If it cannot have one, the engine's ends that are dropped here tell it so.
    pub(super) fn start_secured(
        &mut self,
        engine: EngineId,
        id: ConnectionId,
        peer: &Peer,
        facts: &[u8],
    ) {
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
        format!("unable to exec: {}: {reason}", self.program.path().display())
    }

    fn refuse(&self, peer: IpAddr, why: &str) {
        let line = format!("deny from {peer}: {why}");
        if self.repeated.is_to_be_said(&line) {
            self.log.error(line);
        }
    }
}

/// The limit on connections of one client that the rules set for it.
fn limit_in(added: &ucspi_rules::Variables) -> Option<usize> {
    let (_, value) = added.iter().rev().find(|(name, _)| name == LIMIT_OF_ONE)?;
    str::from_utf8(value).ok()?.parse().ok()
}

/// An engine's report as variables. One that was taken over can name nothing but
/// what an engine has to say, for much else could be made of a program's environment.
fn variables(facts: &[u8]) -> Variables {
    let mut decoder = Decoder::default();
    if decoder.push(facts) != Report::Done {
        return Variables::new();
    }
    let facts = decoder.into_facts().into_iter();
    let known = |name: &[u8]| FACT_NAMES.iter().any(|known| known.as_bytes() == name);
    let text = OsString::from_vec;
    facts
        .filter(|fact| known(&fact.name))
        .filter_map(|fact| Some((text(fact.name), text(fact.value?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_names_facts_and_nothing_else() {
        let report = b"LD_PRELOAD=x\0SSL_CERT_FILE=/x\0SSL_PROTOCOL=TLSv1.3\0SSL_CIPHER\0\0";
        assert_eq!(variables(report), [("SSL_PROTOCOL".into(), "TLSv1.3".into())]);
        assert_eq!(variables(b"SSL_PROTOCOL=TLSv1.3"), []);
    }
}
