//! The monitor among the workers, and what engines are told of logins.

use proto::channel::engine::{DialogId, DialogSetup, ToEngine};
use proto::channel::listener::{FromMonitor, ToMonitor};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;
use unix::descriptor::pipe;
use unix::descriptor_passing::channel;

use super::engine::Engine;
use super::monitor::Monitor;
use super::{LIVED, Worker, Workers};
use crate::child::How;
use crate::incoming::Incoming;
use crate::listener::dialog::{NoDialog, Source};
use crate::listener::report::WorkerEvent;
use crate::outbox::Outbox;

/// Gives an engine and a monitor a channel to each other.
pub(super) fn join(engine: &mut Engine, monitor: &mut Monitor) -> io::Result<()> {
    let (ours, theirs) = channel()?;
    engine.send(&ToEngine::Monitor, &[ours.as_fd()])?;
    let pid = Pid::from_raw(engine.pid.cast_signed());
    let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    monitor.engine(engine.id, theirs, process);
    Ok(())
}

impl Workers {
    /// Starts the monitor, where there is to be one.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::listener) fn start_monitor(&mut self) -> io::Result<()> {
        let Some(config) = &self.config.monitor else { return Ok(()) };
        let words = match self.words.take() {
            Some(words) => words,
            None => pipe()?,
        };
        let words = self.words.insert(words);
        let mut monitor = Monitor::start(config, words, &mut self.processes)?;
        let joined = self.engines.iter_mut().try_for_each(|engine| join(engine, &mut monitor));
        match joined {
            Ok(()) => self.monitor = Some(monitor),
            // Some engine would not know it.
            Err(_) => self.processes.kill(monitor.pid),
        }
        joined
    }

    /// The monitor, while there is one.
    pub(in crate::listener) const fn monitor(&mut self) -> Option<&mut Monitor> {
        self.monitor.as_mut()
    }

    /// Starts another in the place of one that has ended; later, if that did not live.
    pub(super) fn on_monitor_ended(&mut self, how: How) {
        let Some(monitor) = self.monitor.take() else { return };
        WorkerEvent::MonitorDied(monitor.pid, how).log(self.log);
        if monitor.started.elapsed() < LIVED {
            self.monitor_again.later(Instant::now());
        } else {
            self.start_monitor_again();
        }
    }

    pub(super) fn start_monitor_again(&mut self) {
        if let Err(reason) = self.start_monitor() {
            WorkerEvent::NoMonitor(&reason).log(self.log);
            self.monitor_again.later(Instant::now());
        }
    }

    /// Asks it whether it still does its work, and ends it where it owes the last answers.
    pub(super) fn check_monitor(&mut self) {
        if let Some(monitor) = &mut self.monitor
            && !monitor.ask()
        {
            WorkerEvent::MonitorStuck(monitor.pid).log(self.log);
            self.end_monitor();
        }
    }

    /// Ends it, whatever it does.
    pub(in crate::listener) fn end_monitor(&self) {
        if let Some(monitor) = self.monitor.as_ref().filter(|one| self.have(one.pid)) {
            monitor.end_what_it_starts();
            self.kill(monitor.pid);
        }
    }

    /// Takes one message of the monitor, where there is one.
    pub(in crate::listener) fn receive_from_monitor(&mut self) -> Incoming<FromMonitor> {
        let Some(monitor) = &mut self.monitor else { return Incoming::Nothing };
        monitor.receive(&mut self.buffer)
    }

    pub(in crate::listener) fn send_to_monitor(&mut self, message: &ToMonitor) {
        if let Some(monitor) = &mut self.monitor {
            monitor.send(message);
        }
    }

    /// Whether one is still to be told something.
    pub(in crate::listener) fn is_behind(&self, worker: Worker) -> bool {
        self.outbox(worker).is_some_and(Outbox::is_behind)
    }

    /// Up to when one is told nothing, as the system has too little for it.
    pub(in crate::listener) fn paused_until(
        &self,
        worker: Worker,
        now: Instant,
    ) -> Option<Instant> {
        self.outbox(worker)?.paused_until(now)
    }

    fn outbox(&self, worker: Worker) -> Option<&Outbox> {
        match worker {
            Worker::Monitor => self.monitor.as_ref().map(Monitor::outbox),
            Worker::Engine(id) => {
                self.engines.iter().find(|engine| engine.id == id).map(Engine::outbox)
            }
            Worker::Reading | Worker::Keyholder => None,
        }
    }

    /// How clients are talked to, where they are.
    pub(in crate::listener) const fn source(&self) -> Option<&Source> {
        self.config.dialogs.as_ref()
    }

    /// What is said where a rule has named this home, or none. A home that is not known
    /// yet is read, and engines are told.
    ///
    /// # Errors
    /// What cannot be read.
    pub(in crate::listener) fn dialog(
        &mut self,
        other: Option<&OsStr>,
    ) -> Result<(DialogId, DialogSetup), NoDialog> {
        let known = self.dialogs.as_ref().and_then(|dialogs| dialogs.find(other));
        if let Some((id, dialog)) = known {
            return Ok((id, dialog.clone()));
        }
        let (Some(home), Some(source)) = (other, &self.config.dialogs) else {
            return Err(NoDialog::NoEngine);
        };
        let dialog = source.dialog(Some(home))?;
        let id = self.dialogs.as_mut().map_or(0, |dialogs| dialogs.add(home, dialog.clone()));
        for engine in self.engines.iter_mut().filter(|engine| !engine.is_retired()) {
            // One that cannot hear is about to be found dead or stuck.
            let _ = engine.send(&ToEngine::Dialog(id, dialog.clone()), &[]);
        }
        Ok((id, dialog))
    }

    /// The server ends: engines end who has not begun to log in.
    pub(in crate::listener) fn last_words(&mut self) {
        for engine in &mut self.engines {
            let _ = engine.send(&ToEngine::LastWords, &[]);
        }
    }
}
