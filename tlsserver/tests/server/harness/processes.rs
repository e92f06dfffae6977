//! The server's processes, as /proc shows them.

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};
use std::fs;
use std::os::fd::OwnedFd;
use test_support::process;
pub(crate) use test_support::process::signal;
use test_support::wait::until;

use super::{Server, is_root};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

/// The children of a process, with the name under which each was started.
pub(crate) fn children(parent: u32) -> Vec<Process> {
    let children = process::children(parent).into_iter();
    children.filter_map(|pid| Some(Process { pid, name: name_of(pid)? })).collect()
}

fn ended_children(parent: u32) -> usize {
    let all = process::Process::all().into_iter();
    all.filter(|one| one.parent == parent && one.has_ended()).count()
}

fn name_of(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let name = line.split(|&octet| octet == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

impl Server {
    pub(crate) fn engines(&self) -> Vec<u32> {
        self.named("tlsserver-engine")
    }

    pub(crate) fn keyholder(&self) -> u32 {
        let found = self.named("tlsserver-keyholder");
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    /// The process that runs login programs.
    pub(crate) fn monitor(&self) -> u32 {
        let found = self.named("tlsserver-monitor");
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    /// All of the server's own processes, and the programs of sessions.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let own = children(self.pid());
        let monitors = own.iter().filter(|child| child.name == "tlsserver-monitor");
        let programs: Vec<_> = monitors.flat_map(|monitor| children(monitor.pid)).collect();
        [own, programs].concat()
    }

    pub(crate) fn named(&self, name: &str) -> Vec<u32> {
        let children = children(self.pid()).into_iter();
        children.filter(|child| child.name == name).map(|child| child.pid).collect()
    }

    /// Descriptors that are open in each process of the server, and how many
    /// children there are: what has to be the same after whatever happened. Only
    /// root sees into a jailed process.
    pub(crate) fn held(&self) -> Held {
        let children = self.processes();
        let mut held: Vec<(String, usize)> = children
            .iter()
            .map(|child| (child.name.clone(), if is_root() { descriptors(child.pid) } else { 0 }))
            .chain([("tlsserver".to_owned(), descriptors(self.pid()))])
            .collect();
        held.sort();
        (held, children.len())
    }

    /// Waits until so many children have ended of which it does not know yet, for it is
    /// stopped.
    pub(crate) fn wait_until_ended(&self, count: usize) {
        until("end of all", || ended_children(self.pid()), |ended| *ended >= count);
    }

    /// Waits until nobody is connected any more, and it holds what it began with.
    pub(crate) fn idle_as_begun(&self) {
        self.idle();
        self.wait_until_held_as_begun();
    }

    /// Waits until it holds what it began with: what is retired or started anew is
    /// done a moment later, and no log line says when.
    pub(crate) fn wait_until_held_as_begun(&self) {
        let began_with = &self.began_with;
        until(&format!("{began_with:?}"), || self.held(), |held| held == began_with);
    }
}

/// What [`Server::held`] counts.
pub(crate) type Held = (Vec<(String, usize)>, usize);

pub(crate) fn descriptors(pid: u32) -> usize {
    process::descriptors(pid).unwrap_or(0)
}

/// A value of /proc/PID/status.
pub(crate) fn status(pid: u32, field: &str) -> String {
    process::status(pid, field).unwrap()
}

pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// A descriptor of another process's, which stays open whatever becomes of that.
pub(crate) fn take_descriptor(pid: u32, number: i32) -> OwnedFd {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    pidfd_getfd(process, number, PidfdGetfdFlags::empty()).unwrap()
}
