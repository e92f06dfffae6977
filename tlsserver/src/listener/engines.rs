//! What engines say of the connections that they have, and what is done about it.

use proto::channel::ConnectionId;
use proto::channel::engine::FromEngine;
use proto::escape::Escaped;
use std::fmt::Display;
use std::time::Instant;

use super::connections::EngineId;
use super::report::{Event, WorkerEvent};
use super::server::Server;
use super::unable::Unable;
use crate::engine::{Cut, Fault};
use crate::incoming::Incoming;

impl Server {
    /// Takes a message of an engine, where there is one.
    pub(super) fn on_engine(&mut self, engine: EngineId) -> Result<(), Unable> {
        match self.workers.receive(engine) {
            Incoming::Message(message) => self.on_engine_message(engine, message),
            Incoming::Nothing => Ok(()),
            Incoming::End => match self.workers.pid_of(engine) {
                Some(pid) => self.on_channel_ended(pid),
                None => Ok(()),
            },
        }
    }

    /// Acts on an engine's message.
    ///
    /// # Errors
    /// Why it cannot serve, at the start.
    pub(super) fn on_engine_message(
        &mut self,
        engine: EngineId,
        message: FromEngine,
    ) -> Result<(), Unable> {
        match message {
            FromEngine::Says(why) if self.course.is_starting() => {
                return Err(Unable::EngineSays(why));
            }
            FromEngine::Says(what) => {
                let pid = self.workers.pid_of(engine).unwrap_or_default();
                WorkerEvent::EngineSays(pid, &what).log(self.log);
            }
            FromEngine::Ready => {}
            FromEngine::CannotSign => self.workers.on_cannot_sign(engine),
            FromEngine::Asked(id) => self.connections.asked(id, engine),
            FromEngine::Secured(id, facts) => self.on_secured(engine, id, &facts),
            FromEngine::LogsIn(id) => self.on_logs_in(engine, id),
            FromEngine::Failed(id, why) if self.connections.is_with(id, engine) => {
                self.fault(id, &Escaped(why.as_bytes()));
                self.connections.failed_before_login(id);
            }
            FromEngine::Closed(id) if self.connections.is_with(id, engine) => {
                self.workers.released(engine);
                self.log_if_no_login(id);
                self.let_go(id);
                self.log_status();
            }
            FromEngine::Failed(..) | FromEngine::Closed(_) => {}
        }
        Ok(())
    }

    /// Logs what went wrong with one connection.
    pub(super) fn fault(&self, id: ConnectionId, why: &dyn Display) {
        let Some(connection) = self.connections.get(id) else { return };
        let peer = connection.peer;
        if self.repeated.count(Instant::now(), Event::Failed(None, peer, why).to_string()) {
            Event::Failed(connection.number(id), peer, why).log(self.log);
        }
    }

    /// Engines still end, in their time, who has neither a program nor a login, and nobody is
    /// there then who could log it.
    pub(super) fn log_left_behind(&self) {
        for id in self.connections.in_handshake() {
            // As the engine would have said it.
            self.fault(id, &Fault::HandshakeCut(Cut::ServerEnds));
        }
        for peer in self.connections.in_dialog() {
            Event::NoLogin(peer).log(self.log);
        }
        self.queued.iter().for_each(|one| self.deny_late(one));
        let clients = self.pending.iter().filter(|one| !one.is_balancers_own());
        clients.for_each(|one| self.deny_late(&one.accepted));
    }

    /// A connection with a program or a login is in the log when that begins and ends, and one
    /// that failed with the reason.
    fn log_if_no_login(&self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id).filter(|one| one.is_in_dialog()) {
            Event::NoLogin(connection.peer).log(self.log);
        }
    }
}
