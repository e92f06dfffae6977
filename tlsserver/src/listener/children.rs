//! Processes that have ended: programs of connections, engines, the keyholder, the monitor.

use proto::channel::ConnectionId;
use proto::channel::listener::ToMonitor;

use super::connections::EngineId;
use super::report::{Event, Fault};
use super::server::Server;
use super::unable::Unable;
use crate::child::{How, how_it_ended, kill};
use crate::incoming::Incoming;

impl Server {
    /// Ends a process of ours that closed its channel or talks nonsense, and sees to its end.
    pub(super) fn end(&mut self, pid: u32) -> Result<(), Unable> {
        kill(pid);
        self.on_child_ended(pid)
    }

    /// Waits for this child, and for those that may have ended with it unsaid. To wait
    /// for any child has the system look at each, and there are thousands. None is
    /// missed: a program that ends has its engine let go of the connection, and is
    /// looked at then or, should the engine be first, when the next child is told.
    pub(super) fn on_child_ended(&mut self, pid: u32) -> Result<(), Unable> {
        let mut may_have_ended = vec![pid];
        may_have_ended.extend(self.connections.ending().chain(self.workers.pids()));
        for pid in may_have_ended {
            let Some(how) = how_it_ended(pid) else { continue };
            if self.on_program_ended(pid, how) {
                continue;
            }
            let engine = self.workers.engine_of(pid);
            // What it still said comes first.
            while let Some(id) = engine
                && let Incoming::Message(message, _) = self.workers.receive(id)
            {
                self.on_engine_message(id, message)?;
            }
            if engine.is_some() && self.course.is_starting() {
                return Err(Unable::EngineEnded(how));
            }
            if self.workers.monitor().is_some_and(|monitor| monitor.pid == pid) {
                self.on_monitor_ended()?;
            }
            self.workers.on_ended(pid, how);
            if let Some(id) = engine {
                self.on_engine_lost(id);
            }
        }
        Ok(())
    }

    /// Says whether it was a connection's.
    fn on_program_ended(&mut self, pid: u32, how: How) -> bool {
        let ended = self.connections.program_ended(pid);
        if ended {
            Event::ProgramEnded(pid, how).log(self.log);
            self.log_status();
        }
        ended
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
