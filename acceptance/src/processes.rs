//! What `/proc` says of running processes: who belongs together, how much memory one
//! has and what is in it, and how often it woke.
//!
//! Called by the tests `pressure`, `privileges` and `hostile`; the first and the last start
//! each service as the first of a process group of its own.

use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, WaitOptions, test_kill_process_group, waitpid};

use test_support::process::status;
pub use test_support::process::{Process, contains, descriptors, memory};
use test_support::wait::{until, until_gone};

use crate::channel::WATCHDOG;

/// The most memory that a process ever had, in KiB; none for one that has ended.
#[must_use]
pub fn peak(pid: u32) -> Option<u64> {
    number(pid, "VmHWM")
}

/// The memory that a process has now, in KiB; none for one that has ended.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    number(pid, "VmRSS")
}

fn number(pid: u32, field: &str) -> Option<u64> {
    status(pid, field)?.trim_end_matches("kB").trim().parse().ok()
}

/// All processes of a group, those that ended and were not waited for among them.
#[must_use]
pub fn of_group(group: u32) -> Vec<Process> {
    Process::all().into_iter().filter(|process| process.group == group).collect()
}

/// Waits until a process sleeps: it has done all that it can for now.
pub fn settles(pid: u32) {
    let sleeps = |seen: &Option<Process>| seen.as_ref().is_none_or(|one| one.state == 'S');
    until("process that sleeps", || Process::look(pid), sleeps);
}

/// Waits until nobody of a group is left but these. Where the caller is the one that
/// orphans come to, it takes their exit status, so that none of them stays a zombie.
pub fn await_no_more_than(group: u32, these: &BTreeSet<u32>) -> Result<()> {
    let until = Instant::now() + WATCHDOG;
    while test_kill_process_group(id(group)?).is_ok() {
        let left: Vec<Process> =
            of_group(group).into_iter().filter(|one| !these.contains(&one.pid)).collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < until, "left behind: {left:?}");
        for process in left {
            if process.state == 'Z' {
                // Not ours unless it is an orphan; its parent is about to do the same.
                let _not_ours = waitpid(Some(id(process.pid)?), WaitOptions::NOHANG);
                thread::yield_now();
            } else {
                until_gone(process.pid);
            }
        }
    }
    Ok(())
}

fn id(pid: u32) -> Result<Pid> {
    Pid::from_raw(i32::try_from(pid)?).context("no process id")
}
