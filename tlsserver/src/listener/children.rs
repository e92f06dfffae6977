//! Processes that have ended: programs of connections, engines, the keyholder, the monitor.

use proto::channel::ConnectionId;
use proto::channel::engine::ToEngine;
use proto::channel::listener::ToMonitor;

use super::connections::EngineId;
use super::report::{Event, Fault};
use super::server::Server;
use super::unable::Unable;
use super::workers::{Ended, Role};
use crate::child::{How, how_it_ended};
use crate::incoming::Incoming;

impl Server {
    /// A process of ours has closed its channel, or talks nonsense: it is ended.
    pub(super) fn on_channel_ended(&mut self, pid: u32) -> Result<(), Unable> {
        self.workers.kill(pid);
        self.on_child_ended(pid)
    }

    /// Takes what the keyholder says.
    pub(super) fn on_keyholder(&mut self) -> Result<(), Unable> {
        match (self.workers.hear_keyholder(), self.workers.keyholder()) {
            (Incoming::End, Some(pid)) => self.on_channel_ended(pid),
            _ => Ok(()),
        }
    }

    /// Waits for this child, and for those that may have ended with it unsaid: the server's own
    /// processes, and programs whose connection no engine has any more. Not for any child, as
    /// the system looks at each then, and there are thousands. Of others whose end was not said
    /// [`unix::signals::Signals::unsaid`] tells a while later.
    pub(super) fn on_child_ended(&mut self, pid: u32) -> Result<(), Unable> {
        let told = Some(pid).filter(|pid| !self.workers.have(*pid));
        let programs: Vec<u32> = told.into_iter().chain(self.connections.ending()).collect();
        for pid in programs {
            if let Some(how) = how_it_ended(pid) {
                self.on_program_ended(pid, how);
            }
        }
        while let Some(ended) = self.workers.reap(pid) {
            self.on_worker_ended(ended)?;
        }
        Ok(())
    }

    fn on_worker_ended(&mut self, ended: Ended) -> Result<(), Unable> {
        self.hear_out(&ended)?;
        let role = ended.role;
        self.workers.on_ended(ended);
        if let Role::Engine(id) = role {
            self.on_engine_lost(id);
        }
        Ok(())
    }

    /// What it still said comes first.
    ///
    /// # Errors
    /// At the start, that it cannot serve.
    fn hear_out(&mut self, &Ended { pid, role, how }: &Ended) -> Result<(), Unable> {
        match role {
            Role::Engine(id) => {
                while let Incoming::Message(message) = self.workers.receive(id) {
                    self.on_engine_message(id, message)?;
                }
                if self.course.is_starting() && self.workers.pid_of(id).is_some() {
                    return Err(Unable::EngineEnded(how));
                }
            }
            Role::Monitor if self.workers.monitor().is_some_and(|monitor| monitor.pid == pid) => {
                self.on_monitor_ended()?;
            }
            Role::Keyholder => {
                while self.workers.reads(pid) {
                    self.on_reading(Some(how))?;
                }
                while self.workers.keyholder() == Some(pid)
                    && let Incoming::Message(..) = self.workers.hear_keyholder()
                {}
            }
            Role::Monitor => {}
        }
        Ok(())
    }

    fn on_program_ended(&mut self, pid: u32, how: How) {
        if let Some((id, engine)) = self.connections.with_program(pid) {
            // An engine that is gone needs not know.
            let _ = self.workers.send(engine, &ToEngine::ProgramEnded(id), &[]);
        }
        if self.connections.program_ended(pid) {
            Event::ProgramEnded(pid, how).log(self.log);
            self.log_status();
        }
    }

    /// No engine has the connection any more.
    pub(super) fn let_go(&mut self, id: ConnectionId) {
        if self.connections.is_with_monitor(id) {
            self.workers.send_to_monitor(&ToMonitor::Closed(id));
        }
        let program = self.connections.closed(id);
        if let Some((pid, how)) = program.and_then(|pid| Some((pid, how_it_ended(pid)?))) {
            self.on_program_ended(pid, how);
        }
    }

    fn on_engine_lost(&mut self, engine: EngineId) {
        for id in self.connections.engine_lost(engine) {
            if !self.connections.is_clear(id) {
                self.fault(id, &Fault::EngineDied);
            }
            self.let_go(id);
        }
        self.log_status();
    }
}
