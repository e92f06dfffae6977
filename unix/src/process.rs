//! This process and its children.

use rustix::event::{PollFd, PollFlags};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use crate::deadline::{Deadline, wait};
use crate::descriptor::{inherit, number_in};
use crate::environment::Environment;

/// What to run: a program, looked up in `PATH`, and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// The first word is the program, the others its arguments; `None` where there
    /// are none.
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        Some(Self { name: words.next()?, arguments: words.collect() })
    }

    /// The program's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &OsString {
        &self.name
    }

    /// The command that runs it. It inherits descriptors 0, 1 and 2 and what is not
    /// closed on exec; SIGPIPE is at its default again.
    #[must_use]
    pub fn command(&self, environment: &Environment) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments);
        environment.apply(&mut command);
        command
    }

    /// Becomes the program. Returns only if that cannot be, with the reason.
    #[must_use]
    pub fn become_it(&self, environment: &Environment) -> io::Error {
        self.command(environment).exec()
    }
}

/// How a process ended: by itself, or by a signal.
#[must_use]
pub fn exit_code(status: ExitStatus) -> Option<u8> {
    status.code().and_then(|code| u8::try_from(code).ok()).filter(|_| status.signal().is_none())
}

/// Waits for a child to end and for a byte from a pipe that it inherited,
/// whichever comes; calls `on_byte` once if there was one. A descendant that keeps
/// the pipe open does not keep us.
///
/// # Errors
/// What the system says of the wait.
pub fn wait_for_byte_or_end(
    child: &mut Child,
    pipe: &OwnedFd,
    on_byte: &mut dyn FnMut(),
) -> io::Result<ExitStatus> {
    let ended = handle(child);
    let mut heard = false;
    while let Some(ended) = ended.as_ref().filter(|_| !heard) {
        let mut descriptors = [ended.as_fd(), pipe.as_fd()]
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        wait(&mut descriptors, Deadline::NEVER)?;
        let [end, byte] = descriptors.map(|descriptor| !descriptor.revents().is_empty());
        if byte {
            heard = true;
            hear(pipe.as_fd(), on_byte)?;
        }
        if end {
            break;
        }
    }
    if ended.is_none() {
        // The next best: to the byte or to the last copy's end, then to the child's.
        hear(pipe.as_fd(), on_byte)?;
    }
    child.wait()
}

/// Whether a child ends before the deadline. It is still to be waited for. Where
/// the system cannot tell, this says so at once.
///
/// # Errors
/// What the system says of the wait.
pub fn has_ended(child: &Child, deadline: Deadline) -> io::Result<bool> {
    handle(child)
        .map_or(Ok(true), |ended| wait(&mut [PollFd::new(&ended, PollFlags::IN)], deadline))
}

/// Reads the one byte, or the end that comes instead: the pipe has no more to tell.
fn hear(pipe: BorrowedFd<'_>, on_byte: &mut dyn FnMut()) -> io::Result<()> {
    if rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut [0; 1]))? > 0 {
        on_byte();
    }
    Ok(())
}

/// A descriptor that becomes readable when the child has ended, where the system
/// has such a thing.
fn handle(child: &Child) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = child;
        None
    }
}

/// Writes one byte to the descriptor whose number a variable gave, and closes it.
/// Nobody need be listening: what cannot be told is not told.
pub fn tell_ready(number: &[u8]) {
    if let Ok(listener) = inherit(number_in(number)) {
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&listener, &[1]));
    }
}

/// Keeps this process's memory out of core files and from other processes of the
/// same user. What it runs later is not concerned.
pub fn keep_out_of_core_files() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Whether the real user is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::{for_child, pipe};
    use std::os::fd::AsRawFd;
    use std::process::Stdio;

    fn run(script: &str) -> (Option<u8>, u32) {
        let (byte, sender) = pipe().unwrap();
        let inherited = for_child(&sender, 40).unwrap();
        let script = script.replace("FD", &inherited.as_raw_fd().to_string());
        // Its input ends when it is waited for.
        let mut child =
            Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        drop((sender, inherited));
        let mut heard = 0;
        let status = wait_for_byte_or_end(&mut child, &byte, &mut || heard += 1).unwrap();
        (exit_code(status), heard)
    }

    #[test]
    fn a_child_is_heard_and_waited_for() {
        assert_eq!(run("exit 7"), (Some(7), 0));
        assert_eq!(run("printf x >&FD; exit 3"), (Some(3), 1));
        assert_eq!(run("exec FD>&-; exit 4"), (Some(4), 0));
        assert_eq!(run("kill -9 $$"), (None, 0));
    }

    #[test]
    fn a_descendant_that_keeps_the_pipe_does_not_keep_us() {
        let (code, heard) = run("exec 5<&0; cat <&5 >/dev/null 2>&1 & exit 5");
        assert_eq!((code, heard), (Some(5), 0));
    }
}
