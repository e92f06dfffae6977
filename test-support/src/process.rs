//! Processes as `/proc` shows them (proc(5)), whosever they are.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One process, by `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name, as the kernel keeps it: at most 15 octets.
    pub name: String,
    /// `S` while it sleeps, `Z` once it has ended and nobody waited for it.
    pub state: char,
    /// Whose child it is.
    pub parent: u32,
    /// The process group that it belongs to.
    pub group: u32,
    /// Processor time that it used, its own and the kernel's for it, in ticks.
    pub ticks: u64,
    /// When it was started, in ticks.
    pub start: u64,
}

impl Process {
    /// The process, unless it is gone.
    #[must_use]
    pub fn look(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything.
        let (before, after) = stat.rsplit_once(") ")?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = after.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            pid,
            name,
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(number(2)?).ok()?,
            ticks: number(11)? + number(12)?,
            start: number(19)?,
        })
    }

    /// All that there are, those that ended and were not waited for among them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").unwrap();
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(Self::look).collect()
    }

    /// Times that it gave up the processor or had it taken away.
    #[must_use]
    pub fn switches(&self) -> Option<u64> {
        let count = |kind: &str| -> Option<u64> {
            status(self.pid, &format!("{kind}_ctxt_switches"))?.parse().ok()
        };
        Some(count("voluntary")? + count("nonvoluntary")?)
    }

    /// Whether it runs no more: only its exit status is left.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// The children of a process, but those that have ended, in the order of their start.
#[must_use]
pub fn children(parent: u32) -> Vec<u32> {
    let mut children: Vec<Process> =
        Process::all().into_iter().filter(|one| one.parent == parent && !one.has_ended()).collect();
    // Ids begin anew once the largest has been given.
    children.sort_by_key(|one| (one.start, one.pid));
    children.iter().map(|one| one.pid).collect()
}

/// These processes and all below them, whoever is above coming first.
#[must_use]
pub fn descendants(roots: &[u32]) -> Vec<u32> {
    let all = Process::all();
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(&pid) = found.get(at) {
        found.extend(all.iter().filter(|one| one.parent == pid).map(|one| one.pid));
        at += 1;
    }
    found
}

/// A value of `/proc/PID/status`; `None` of a process that is gone, and where there is no
/// such field.
#[must_use]
pub fn status(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// A limit of `/proc/PID/limits` that is in force, such as `Max open files`.
#[track_caller]
#[must_use]
pub fn limit(pid: u32, name: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    limit.unwrap_or_else(|| panic!("no {name}: {limits}")).to_owned()
}

/// Whether the kernel refuses a process what jailed ones do without; half of it will not do.
#[track_caller]
#[must_use]
pub fn is_jailed(pid: u32) -> bool {
    let [privileges, filter] = ["NoNewPrivs", "Seccomp"].map(|field| status(pid, field).unwrap());
    assert_eq!(privileges == "1", filter == "2", "one of the two only");
    filter == "2"
}

/// Fails unless a process that root has jailed is this user and nobody else, without a file that
/// it could see.
#[track_caller]
pub fn assert_powerless(pid: u32, user: u32, group: u32) {
    let four = |id: u32| [id.to_string().as_str(); 4].join("\t");
    let none = "0".repeat(16);
    let wanted = [four(user), four(group), String::new(), none.clone(), none];
    let found =
        ["Uid", "Gid", "Groups", "CapPrm", "CapEff"].map(|field| status(pid, field).unwrap());
    assert_eq!(found, wanted);
    assert_eq!(fs::read_dir(format!("/proc/{pid}/root/")).unwrap().count(), 0);
    // Not dumpable: what shows of it belongs to root, not to its user.
    assert_eq!(fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid(), 0);
}

/// What a descriptor of a process's leads to, which root sees of every process.
#[track_caller]
#[must_use]
pub fn target(pid: u32, descriptor: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap()
}

/// A process's open descriptors, and what each leads to, which root sees of every process.
#[track_caller]
#[must_use]
pub fn open(pid: u32) -> BTreeMap<i32, String> {
    let paths = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: &Path| path.file_name()?.to_str()?.parse().ok();
    // It may close one meanwhile.
    let target = |path: &Path| Some(fs::read_link(path).ok()?.display().to_string());
    paths.filter_map(|path| Some((number(&path)?, target(&path)?))).collect()
}

/// How many descriptors a process has open.
///
/// # Errors
/// When that cannot be seen: root sees it of every process.
pub fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// All that a process has written to its memory.
///
/// # Errors
/// When that cannot be seen: root sees it of every process.
pub fn memory(pid: u32) -> io::Result<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut piece = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut piece, from).is_ok() {
            all.extend_from_slice(&piece);
        }
    }
    Ok(all)
}

/// Whether these octets are somewhere in a process's memory.
#[must_use]
pub fn contains(memory: &[u8], wanted: &[u8]) -> bool {
    memory.windows(wanted.len()).any(|piece| piece == wanted)
}

/// Sends a signal.
#[track_caller]
pub fn signal(pid: u32, signal: Signal) {
    assert!(signal_unless_gone(pid, signal), "process {pid} is gone");
}

/// Sends a signal to a process that may be ending; whether it was still there.
#[track_caller]
pub fn signal_unless_gone(pid: u32, signal: Signal) -> bool {
    match kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal) {
        Err(Errno::SRCH) => false,
        sent => {
            sent.unwrap();
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio, id};

    #[test]
    fn a_child_is_seen_until_it_has_ended() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        assert!(children(id()).contains(&pid));
        assert_eq!(status(pid, "PPid"), Some(id().to_string()));
        assert_eq!(status(pid, "NoSuchField"), None);
        signal(pid, Signal::KILL);
        crate::wait::until_gone(pid);
        assert!(Process::look(pid).unwrap().has_ended() && !children(id()).contains(&pid));
        child.wait().unwrap();
        assert_eq!((Process::look(pid), status(pid, "State")), (None, None));
        assert!(!signal_unless_gone(pid, Signal::KILL));
    }
}
