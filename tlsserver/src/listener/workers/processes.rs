//! The server's own processes, from their start until they have been waited for: from then on a
//! process id is the system's to give to another. So they are started here, waited for here, and
//! no other is ever sent a signal. What each does, and for how long it is wanted, is the others'
//! to know.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use crate::child::{How, how_it_ended, kill, start};
use crate::listener::connections::EngineId;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Role {
    Keyholder,
    Engine(EngineId),
    Monitor,
}

/// One that has ended and has been waited for.
#[derive(Debug)]
pub(in crate::listener) struct Ended {
    pub(in crate::listener) pid: u32,
    pub(in crate::listener) role: Role,
    pub(in crate::listener) how: How,
}

/// All that have not been waited for, also those that nobody wants any more.
#[derive(Debug, Default)]
pub(super) struct Processes {
    by_pid: BTreeMap<u32, Role>,
}

impl Processes {
    /// Starts one; its process id.
    pub(super) fn start(&mut self, command: &mut Command, role: Role) -> io::Result<u32> {
        let pid = start(command)?.id();
        self.started(pid, role);
        Ok(pid)
    }

    pub(super) fn started(&mut self, pid: u32, role: Role) {
        self.by_pid.insert(pid, role);
    }

    /// Whether it is one, and has not been waited for.
    pub(super) fn contains(&self, pid: u32) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Ends it, unless it has been waited for: that it has ended is told as of any other.
    pub(super) fn kill(&self, pid: u32) {
        if self.contains(pid) {
            kill(pid);
        }
    }

    /// Waits for one that has ended, this one first, and forgets it. One at a time: whoever is
    /// started in its place may get its process id.
    pub(super) fn reap(&mut self, first: u32) -> Option<Ended> {
        let first = Some(first).filter(|pid| self.contains(*pid));
        let mut pids = first.into_iter().chain(self.by_pid.keys().copied());
        let (pid, how) = pids.find_map(|pid| Some((pid, how_it_ended(pid)?)))?;
        let role = self.by_pid.remove(&pid)?;
        Some(Ended { pid, role, how })
    }

    /// All keyholders.
    pub(super) fn keyholders(&self) -> impl Iterator<Item = u32> {
        let keyholders = self.by_pid.iter().filter(|(_, role)| **role == Role::Keyholder);
        keyholders.map(|(&pid, _)| pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::wait::until_gone;

    fn child(program: &str) -> std::process::Child {
        Command::new(program).arg("1000").spawn().unwrap()
    }

    #[test]
    fn one_that_has_been_waited_for_is_known_no_more_and_no_other_is_sent_a_signal() {
        let (mut lives, ends, mut other) = (child("sleep"), child("true"), child("sleep"));
        let mut processes = Processes::default();
        processes.started(lives.id(), Role::Monitor);
        processes.started(ends.id(), Role::Keyholder);
        until_gone(ends.id());
        assert!(processes.keyholders().eq([ends.id()]));
        let ended = processes.reap(lives.id()).unwrap();
        assert_eq!((ended.pid, ended.role, ended.how.number()), (ends.id(), Role::Keyholder, 0));
        assert!(processes.reap(ends.id()).is_none());
        assert!(!processes.contains(ends.id()) && processes.keyholders().next().is_none());

        processes.kill(other.id());
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
        // Nor is one waited for that is another's.
        assert!(processes.reap(other.id()).is_none());

        assert_eq!(lives.try_wait().unwrap(), None);
        processes.kill(lives.id());
        until_gone(lives.id());
        assert_eq!(processes.reap(0).unwrap().role, Role::Monitor);
    }
}
