//! Clients that log in: the monitor is told who they are, and says what becomes of them.

use proto::channel::ConnectionId;
use proto::channel::engine::{DialogId, DialogSetup, ToEngine};
use proto::channel::listener::{Client, FromMonitor, ToMonitor};
use proto::variables::Variables;
use std::time::Instant;
use unix::blocklist::Reporter;

use super::connections::EngineId;
use super::dialog::{NoDialog, Talk};
use super::report::{Event, Fault, WorkerEvent};
use super::server::Server;
use super::unable::Unable;
use super::workers::Introduced;
use crate::incoming::Incoming;

impl Server {
    /// What is said to a client about whom the rules say this; none where it is not the
    /// engine that talks to it.
    pub(super) fn dialog_for(
        &mut self,
        added: &Variables,
    ) -> Result<Option<(DialogId, DialogSetup)>, NoDialog> {
        let Some(source) = self.workers.source() else { return Ok(None) };
        let other = source.other_home(added);
        self.workers.dialog(other.as_deref()).map(Some)
    }

    /// A client of the engine's begins to log in. The engine is let go on once the monitor
    /// is sure to hear of it first: where thousands begin at once, that takes a moment.
    pub(super) fn on_logs_in(&mut self, engine: EngineId, id: ConnectionId) {
        if self.connections.is_with(id, engine) {
            self.begin_to_log_in.insert(id, engine);
            self.introduce_waiting();
        } else {
            self.answer_login(engine, id, false);
        }
    }

    /// Tells the monitor of those who begin to log in, as many as it has room for now.
    pub(super) fn introduce_waiting(&mut self) {
        while let Some((&id, &engine)) = self.begin_to_log_in.first_key_value() {
            let introduced = self.introduce(engine, id);
            if introduced == Introduced::NotYet {
                return;
            }
            self.begin_to_log_in.remove(&id);
            if introduced == Introduced::NoMonitor {
                self.fault(id, &Fault::NoMonitor);
                self.connections.declined(id);
            }
            self.answer_login(engine, id, introduced == Introduced::Yes);
        }
    }

    fn answer_login(&mut self, engine: EngineId, id: ConnectionId, knows: bool) {
        let answer = if knows { ToEngine::GoOn(id) } else { ToEngine::NoLogin(id) };
        if knows {
            self.connections.begun(id);
        }
        if let Err(reason) = self.workers.send(engine, &answer, &[]) {
            self.fault(id, &Fault::Engine(reason));
        }
    }

    fn introduce(&mut self, engine: EngineId, id: ConnectionId) -> Introduced {
        let arrival = self.connections.begins(id, engine);
        let Some((peer, talk)) = arrival.and_then(|one| Some((&one.peer, one.talk.as_mut()?)))
        else {
            return Introduced::NoVisitor;
        };
        let Some(monitor) = self.workers.monitor() else { return Introduced::NoMonitor };
        let client = Client {
            remote: peer.remote,
            local: peer.local,
            added: peer.added.clone(),
            timestamp: talk.how.timestamp.clone(),
            tls: talk.how.tls,
            left: talk.left(Instant::now()),
        };
        let message = ToMonitor::LogsIn(id, engine, client);
        let introduced = monitor.introduce(&message, talk.socket.as_ref());
        if introduced == Introduced::Yes {
            // There is but one copy to keep, and the monitor has it.
            talk.socket = None;
        }
        introduced
    }

    /// Takes all that the monitor has said.
    pub(super) fn on_monitor(&mut self) -> Result<(), Unable> {
        loop {
            match self.workers.receive_from_monitor() {
                Incoming::Message(message) => self.on_monitor_message(message)?,
                Incoming::Nothing => return Ok(()),
                // It has closed its channel, or talks nonsense: nothing sane.
                Incoming::End => {
                    let pid = self.workers.monitor().map(|monitor| monitor.pid);
                    return pid.map_or(Ok(()), |pid| self.on_channel_ended(pid));
                }
            }
        }
    }

    fn on_monitor_message(&mut self, message: FromMonitor) -> Result<(), Unable> {
        match message {
            FromMonitor::Ready => self.hand_sessions_on(),
            FromMonitor::Broken(why) if self.course.is_starting() => {
                return Err(Unable::MonitorSays(why));
            }
            FromMonitor::Broken(why) => WorkerEvent::MonitorSays(&why).log(self.log),
            FromMonitor::Checking(id) => self.connections.checking(id),
            FromMonitor::Refused(id) => self.connections.refused(id),
            FromMonitor::LoggedIn(id) => self.connections.logged_in(id),
            FromMonitor::Over(id) => {
                self.connections.ended(id);
                self.log_status();
            }
            FromMonitor::Dishonest(engine) => {
                if let Some(pid) = self.workers.pid_of(engine) {
                    self.workers.kill(pid);
                }
            }
        }
        Ok(())
    }

    /// Tells a monitor that has taken another's place of the sessions that there are.
    fn hand_sessions_on(&mut self) {
        let Some(monitor) = self.workers.monitor() else { return };
        if !std::mem::replace(&mut monitor.knows_sessions, true) {
            for (id, engine) in self.connections.sessions() {
                monitor.send(&ToMonitor::Inherits(id, engine));
            }
        }
    }

    /// What the monitor still said comes first, and then that it is gone.
    pub(super) fn on_monitor_ended(&mut self) -> Result<(), Unable> {
        while let Incoming::Message(message) = self.workers.receive_from_monitor() {
            self.on_monitor_message(message)?;
        }
        for id in self.connections.monitor_lost() {
            Event::LoginLost(id).log(self.log);
        }
        self.log_status();
        if self.course.is_starting() { Err(Unable::MonitorEnded) } else { Ok(()) }
    }
}

/// Keeps the client's socket for whoever is to tell blocklistd of it, where that is there.
pub(super) fn keep_socket(talk: &mut Talk, socket: &std::os::fd::OwnedFd) {
    if Reporter::is_wanted() {
        talk.socket = socket.try_clone().ok();
    }
}
