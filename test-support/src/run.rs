//! Programs that are run to their end, whichever comes first: theirs or the test's.

use crate::wait::is_readable;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a program may take that has much to do.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs a command with this on its standard input; what it wrote, and how it ended.
///
/// # Panics
/// When it cannot be run, or does not end within five minutes.
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
        let _already_gone = self.kill();
        let _status = self.wait();
    }
}

/// Ends a child that goes on for too long.
struct Watchdog(JoinHandle<bool>);

impl Watchdog {
    fn of(child: &Child) -> Self {
        let child = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
        Self(thread::spawn(move || {
            let goes_on = !is_readable(&child, Instant::now() + LONGEST);
            if goes_on {
                let _just_ended = pidfd_send_signal(child, Signal::KILL);
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
