//! The server's processes, as /proc shows them.

use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open,
};
use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use super::{PATIENCE, Server, is_root};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

/// The children of a process, with the name under which each was started.
pub(crate) fn children(parent: u32) -> Vec<Process> {
    let mut found: Vec<Process> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| parent_of(pid) == Some(parent))
        .filter_map(|pid| Some(Process { pid, name: name_of(pid)? }))
        .collect();
    found.sort();
    found
}

/// A zombie has none: it is a child that has ended already.
fn parent_of(pid: u32) -> Option<u32> {
    state_and_parent(pid).filter(|(state, _)| state != "Z").map(|(_, parent)| parent)
}

fn state_and_parent(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Whether there is such a process, and it has not ended.
pub(crate) fn exists(pid: u32) -> bool {
    parent_of(pid).is_some()
}

fn ended_children(parent: u32) -> usize {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(state_and_parent).filter(|it| *it == ("Z".to_owned(), parent)).count()
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
        let until = Instant::now() + PATIENCE;
        while ended_children(self.pid()) < count {
            assert!(Instant::now() < until, "{} of {count}", ended_children(self.pid()));
            thread::yield_now();
        }
    }

    /// Waits until it holds what it held before: what is retired or started anew is
    /// done a moment later, and no log line says when.
    pub(crate) fn wait_until_held(&self, before: &Held) {
        let until = Instant::now() + PATIENCE;
        while &self.held() != before {
            assert!(Instant::now() < until, "{:?} != {before:?}", self.held());
            thread::yield_now();
        }
    }
}

/// What [`Server::held`] counts.
pub(crate) type Held = (Vec<(String, usize)>, usize);

pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// A value of /proc/PID/status.
pub(crate) fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}

pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A descriptor of another process's, which stays open whatever becomes of that.
pub(crate) fn take_descriptor(pid: u32, number: i32) -> OwnedFd {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    pidfd_getfd(process, number, PidfdGetfdFlags::empty()).unwrap()
}
