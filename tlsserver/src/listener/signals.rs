//! What the administrator wants: that files are read again, or that it ends.

use proto::channel::listener::ToMonitor;
use std::fmt::Display;
use std::time::{Duration, Instant};
use unix::notify::State;
use unix::signals::Event as Signal;

use super::course::Course;
use super::report::Event;
use super::server::Server;
use super::sockets;
use super::unable::Unable;
use super::workers::files::Reading;
use crate::child::How;

/// How long the listener stays for those who need it when the server ends: for clients in a
/// handshake whose program it starts behind that, and for the log of those who are to log in.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the server waits for a monitor that works, to leave sessions to: longer than it
/// takes to find that it is stuck, and to start another.
const REPLACED: Duration = Duration::from_secs(30);

impl Server {
    pub(super) fn on_signals(&mut self) -> Result<(), Unable> {
        for event in self.signals.arrived() {
            match event {
                Signal::ChildEnded(pid) => self.on_child_ended(pid)?,
                Signal::Reload => self.on_reload(),
                Signal::Terminate => self.on_terminate()?,
            }
        }
        Ok(())
    }

    fn on_reload(&mut self) {
        if self.course.is_leaving() {
            return;
        }
        self.supervisor.notify(State::Reloading);
        let failures = self.failures.read();
        // The monitor reads that file, too, and says the same.
        match (failures, self.workers.monitor()) {
            (Err(why), None) => self.log_not_read_again(&why),
            (_, Some(monitor)) => monitor.send(&ToMonitor::Reload),
            (Ok(()), None) => {}
        }
        if let Err(why) = self.workers.read_files() {
            self.on_not_read_again(&why);
        }
    }

    /// Takes what a keyholder that reads the files says; `ended`: how it did, where it has.
    pub(super) fn on_reading(&mut self, ended: Option<How>) -> Result<(), Unable> {
        let reading = self.workers.on_reading(ended);
        self.on_read(reading)
    }

    /// What a keyholder that reads the files came to.
    ///
    /// # Errors
    /// At the start, why it cannot serve.
    pub(super) fn on_read(&mut self, reading: Reading) -> Result<(), Unable> {
        match reading {
            Reading::Unfinished => {}
            Reading::Silent(pid) => return self.on_channel_ended(pid),
            Reading::TookOver if self.course.is_starting() => {}
            Reading::TookOver => {
                Event::Reloaded.log(self.log);
                self.reload_is_over();
            }
            Reading::Failed(why) if self.course.is_starting() => return Err(Unable::Files(why)),
            Reading::Failed(why) => self.on_not_read_again(&why),
        }
        Ok(())
    }

    fn on_not_read_again(&self, why: &dyn Display) {
        self.reload_is_over();
        self.log_not_read_again(why);
    }

    fn log_not_read_again(&self, why: &dyn Display) {
        if self.workers.serving() {
            Event::KeepsPrevious(why).log(self.log);
        } else {
            Event::NotRead(why).log(self.log);
        }
    }

    /// Tells whoever supervises this, where nothing else is to be told: that it serves, or ends.
    fn reload_is_over(&self) {
        if self.course == Course::Serving {
            self.supervisor.notify(State::Ready);
        }
    }

    fn on_terminate(&mut self) -> Result<(), Unable> {
        if self.course.is_leaving() {
            return Ok(());
        }
        self.supervisor.notify(State::Stopping);
        self.course = Course::Leaving(Instant::now() + LAST_WORDS);
        self.stop_listening()?;
        if self.workers.source().is_some() {
            self.workers.last_words();
            if let Some(monitor) = self.workers.monitor() {
                monitor.ask();
            }
        }
        Ok(())
    }

    /// Takes nothing new, but what the system has taken in our name already: those
    /// clients are connected, and a load balancer could not send them elsewhere. Where
    /// engines talk to them they are told so, however many they are; others for whom there
    /// is no room are in the log.
    fn stop_listening(&mut self) -> Result<(), Unable> {
        for at in 0..self.listening.len() {
            for _ in 0..self.listening.get(at).map_or(0, sockets::close_queue) {
                if !self.take_late_one(at)? {
                    break;
                }
            }
        }
        self.listening.clear();
        self.begin_queued();
        Ok(())
    }

    /// Leaves sessions to their engines, and to the monitor where there is one, once nobody needs
    /// the listener, or somebody would hold it up: a supervisor starts no other before. Says
    /// whether it has.
    pub(super) fn leave(&mut self, now: Instant) -> bool {
        let Some(ends_at) = self.course.ends_at() else { return false };
        let nobody = self.without_place() == 0 && !self.connections.some_need_the_listener();
        if matches!(self.course, Course::Leaving(_)) {
            if !nobody && now < ends_at {
                return false;
            }
            self.course = Course::Replacing(now + REPLACED);
        }
        let is_late = self.course.ends_at().is_some_and(|at| at <= now);
        match self.workers.monitor() {
            Some(monitor) if monitor.has_answered() => {
                monitor.send(&ToMonitor::StayBehind);
                true
            }
            Some(_) if is_late => {
                self.workers.end_monitor();
                true
            }
            Some(_) => false,
            // One that has died is about to be replaced.
            None => is_late || self.connections.sessions().next().is_none(),
        }
    }
}
