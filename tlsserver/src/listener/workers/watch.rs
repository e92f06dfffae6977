//! What is due by the clock: whether the others still do their work, what is to be tried again,
//! and what is to be said once more.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::again::Again;
use super::{CHECK_INTERVAL, REMINDER, Workers};
use crate::listener::report::{Event, WorkerEvent};

impl Workers {
    /// Asks the keyholder and all engines for an answer, and ends those that still owe the
    /// last ones: that is seen as any other death. A keyholder that reads the files cannot
    /// answer: it only has its time ([`Self::end_late_reading`]).
    fn check_all(&mut self, now: Instant) {
        self.next_check = now + CHECK_INTERVAL;
        if let Some(stuck) = self.keyholder.as_mut().and_then(|one| (!one.ask()).then_some(&*one)) {
            WorkerEvent::KeyholderStuck(stuck.pid).log(self.log);
            self.processes.kill(stuck.pid);
        }
        if let Some(reading) = &mut self.reading {
            reading.checks += 1;
        }
        self.check_monitor();
        for engine in &mut self.engines {
            engine.lately = 0;
            if !engine.ask() {
                WorkerEvent::EngineStuck(engine.pid).log(self.log);
                self.processes.kill(engine.pid);
            } else if engine.holds_more_than_it_says() {
                WorkerEvent::EngineHoldsMore(engine.pid).log(self.log);
                self.processes.kill(engine.pid);
            }
        }
    }

    /// Logs which certificates are used although their time is over, or has not come.
    pub(super) fn log_what_is_not_valid(&mut self, now: Instant) {
        self.next_reminder = now + REMINDER;
        // A clock from before 1970 makes every certificate one that is not valid yet.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let validities = self.keyholder.iter().flat_map(|keyholder| &keyholder.validities);
        let faults = validities.filter_map(|one| one.fault(time));
        faults.for_each(|fault| Event::NotValid(&fault).log(self.log));
    }

    /// Ends keyholders of older generations that no engine is left for. They do so by themselves,
    /// unless an engine left its channel with somebody, who is none of ours to wait for.
    pub(super) fn end_unused_keyholders(&self) {
        let wanted = self.reading.iter().chain(&self.keyholder).map(|one| one.pid);
        let used = self.engines.iter().map(|engine| engine.keyholder);
        let used: Vec<u32> = wanted.chain(used).collect();
        let unused = self.processes.keyholders().filter(|pid| !used.contains(pid));
        unused.for_each(|pid| self.processes.kill(pid));
    }

    /// When [`Self::tick`] next has something to do.
    pub(in crate::listener) fn next_tick(&self) -> Instant {
        let turns = [self.next_check, self.next_reminder];
        let again = [&self.engines_again, &self.keyholder_again, &self.monitor_again];
        let again = again.into_iter().filter_map(Again::at);
        again.chain(turns).fold(self.next_check, Instant::min)
    }

    /// Does what is due.
    pub(in crate::listener) fn tick(&mut self, now: Instant) {
        if now >= self.next_check {
            self.check_all(now);
            self.end_unused_keyholders();
        }
        if now >= self.next_reminder {
            self.log_what_is_not_valid(now);
        }
        if self.monitor_again.take_due(now) {
            self.start_monitor_again();
        }
        if self.keyholder_again.take_due(now) && self.keyholder.is_none() {
            self.read_files_again();
        }
        if self.engines_again.take_due(now) {
            self.fill_up();
        }
    }
}
