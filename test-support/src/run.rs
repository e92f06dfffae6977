//! Programs that are run to their end, whichever comes first: theirs or the test's.

use crate::log::Log;
use crate::process::{Process, descendants};
use crate::wait::{LONGEST, is_gone, is_readable};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Runs a command with this on its standard input; what it wrote, and how it ended. It has a
/// quarter of an hour.
#[track_caller]
pub fn output(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = command.spawn().unwrap_or_else(|why| panic!("{}: {why}", program.display()));
    let watchdog = Watchdog::of(&child);
    // Who has seen enough may stop reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(!watchdog.has_struck(), "{} did not end: {output:?}", program.display());
    output
}

/// Runs a command that must succeed; what it wrote on standard output.
#[track_caller]
pub fn succeeds(command: &mut Command) -> String {
    let output = output(command, b"");
    assert!(output.status.success(), "{command:?}: {output:?}");
    stdout(&output)
}

/// Has another command run this one, in its own environment and in this one's.
pub fn hand_over<'a>(outer: &'a mut Command, inner: &Command) -> &'a mut Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
}

/// A child that is ended, if it goes on, when this is dropped: nobody waits for a failed test's.
#[derive(Debug)]
pub struct OwnChild(pub Child);

impl Deref for OwnChild {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for OwnChild {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        // One that the system holds fast is waited for no longer than others.
        let goes_on = matches!(self.try_wait(), Ok(None));
        let _status = (goes_on && self.kill().is_ok() && is_gone(self.id())).then(|| self.wait());
    }
}

/// The same of a child and all that it has started: the first of a process group of its own.
#[derive(Debug)]
pub struct OwnGroup(pub OwnChild);

impl OwnGroup {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        Ok(Self(OwnChild(command.process_group(0).spawn()?)))
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        // Once the first has been waited for, and no other is left, the number is free for
        // another process, and for its group. While it is a group's, no process gets it.
        let is_waited_for = !matches!(self.0.try_wait(), Ok(None));
        if !is_waited_for || Process::look(self.0.id()).is_none() {
            let _already_gone = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        }
    }
}

/// A child that ends what it has started, once it is told to end; which is when this is dropped.
#[derive(Debug)]
pub struct Master(OwnChild);

impl Master {
    /// Starts it, and waits until its log says so.
    #[track_caller]
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut master = Self(OwnChild(child.unwrap()));
        Log::of(master.0.stderr.take().unwrap()).wait_for(&[ready]);
        master
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _already_gone = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _in_time = is_gone(self.0.id());
    }
}

/// Ends a child that goes on for too long, and whatever it has started.
struct Watchdog(JoinHandle<bool>);

impl Watchdog {
    fn of(child: &Child) -> Self {
        let pid = child.id();
        let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
        Self(thread::spawn(move || {
            let goes_on = !is_readable(&handle, Instant::now() + LONGEST);
            if goes_on {
                // Whoever is left keeps the output open.
                for pid in descendants(&[pid]) {
                    let _just_ended =
                        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
                }
            }
            goes_on
        }))
    }

    fn has_struck(self) -> bool {
        self.0.join().unwrap()
    }
}

/// What was written on standard output.
#[must_use]
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What was written on standard error.
#[must_use]
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_goes_with_whoever_holds_it() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo $!; wait"]).stdout(Stdio::piped());
        let mut group = OwnGroup::start(&mut shell).unwrap();
        let child = Log::of(group.0.stdout.take().unwrap()).line(0);
        drop(group);
        assert!(is_gone(child.parse().unwrap()));
    }

    #[test]
    fn so_does_one_whose_first_process_has_ended() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo $!"]).stdout(Stdio::piped());
        let mut group = OwnGroup::start(&mut shell).unwrap();
        let child = Log::of(group.0.stdout.take().unwrap()).line(0);
        assert!(group.0.wait().unwrap().success());
        drop(group);
        assert!(is_gone(child.parse().unwrap()));
    }
}
