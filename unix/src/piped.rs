//! A child that we speak with over two pipes.

use crate::child::Child;
use crate::deadline::Deadline;
use crate::environment::Environment;
use crate::process::{Argv, exit_code, has_ended};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};

/// Octets that a wide pipe holds: what Linux lets anybody have.
#[cfg(target_os = "linux")]
const WIDE: usize = 1024 * 1024;

/// Seconds that a child which is asked to end may take.
pub const TERMINATION: u64 = 10;

/// Seconds that a child without its pipes has to end by itself.
pub const BY_ITSELF: u64 = 1;

/// The child and our ends of its pipes, which never block us.
pub struct Piped {
    child: Child,
    input: Option<PipeWriter>,
    output: PipeReader,
}

impl Piped {
    /// Starts a program between two pipes.
    ///
    /// # Errors
    /// Why it cannot be run, or piped to.
    pub fn spawn(program: &Argv, environment: &Environment) -> io::Result<Self> {
        let ((reader, input), (output, writer)) = (pipe()?, pipe()?);
        // New as they are, they have no other flags.
        fcntl_setfl(&input, OFlags::NONBLOCK)?;
        fcntl_setfl(&output, OFlags::NONBLOCK)?;
        let child = program.start(environment, Some(reader.as_fd()), Some(writer.as_fd()))?;
        Ok(Self { child, input: Some(input), output })
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where to write what the child shall read, unless that is closed.
    #[must_use]
    pub fn input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    /// Where to read what the child writes.
    #[must_use]
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Writes what the child takes without waiting; 0 where it would have to wait.
    /// Where it does not read any more, its input is closed; it may still speak.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(input) = &self.input else { return Ok(0) };
        match rustix::io::write(input, octets) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(Errno::PIPE) => {
                self.input = None;
                Ok(0)
            }
            other => Ok(other?),
        }
    }

    /// Makes room for large data on its way to the child, as far as the system
    /// allows: fewer switches between the two.
    pub fn widen_input(&self) {
        #[cfg(target_os = "linux")]
        if let Some(input) = &self.input {
            let _ = rustix::pipe::fcntl_setpipe_size(input, WIDE);
        }
    }

    /// Tells the child that there is no more.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Closes both pipes and waits for the child to end by itself. Its exit code;
    /// `None` where a signal ended it.
    ///
    /// # Errors
    /// What the system says of the wait.
    pub fn finish(self) -> io::Result<Option<u8>> {
        let Self { mut child, input, output } = self;
        drop((input, output));
        child.wait().map(exit_code)
    }

    /// Closes the child's input; whether a signal ends it within [`BY_ITSELF`] seconds.
    ///
    /// # Errors
    /// What the system says of the wait.
    pub fn crashes(&mut self) -> io::Result<bool> {
        self.close_input();
        let has_ended = has_ended(self.child.id(), Deadline::after_seconds(BY_ITSELF))?;
        Ok(has_ended && self.child.wait().map(exit_code)?.is_none())
    }

    /// [`Self::finish`] for a child that may go on: one that has not ended by itself in
    /// [`BY_ITSELF`] seconds is [asked to](Self::terminate).
    ///
    /// # Errors
    /// What the system says of the wait.
    pub fn end(self) -> io::Result<Option<u8>> {
        let Self { mut child, input, output } = self;
        drop((input, output));
        if !has_ended(child.id(), Deadline::after_seconds(BY_ITSELF)).unwrap_or(false) {
            ask_to_end(&child)?;
        }
        child.wait().map(exit_code)
    }

    /// Closes both pipes, asks the child to end, and waits for it; after
    /// [`TERMINATION`] seconds it is not asked any more.
    ///
    /// # Errors
    /// What the system says of the wait.
    pub fn terminate(self) -> io::Result<()> {
        let Self { mut child, input, output } = self;
        drop((input, output));
        ask_to_end(&child)?;
        child.wait().map(drop)
    }
}

fn ask_to_end(child: &Child) -> io::Result<()> {
    let _ = child.signal(Signal::TERM);
    if !has_ended(child.id(), Deadline::after_seconds(TERMINATION)).unwrap_or(false) {
        child.signal(Signal::KILL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::wait_for;
    use rustix::event::PollFlags;

    fn shell(script: &str) -> Piped {
        let words = ["sh", "-c", script].map(Into::into);
        Piped::spawn(&Argv::new(words).unwrap(), &Environment::default()).unwrap()
    }

    #[test]
    fn a_child_between_pipes() {
        let mut child = shell("read word; echo \"$word$word\"; read more || exit 9");
        assert_eq!(rustix::io::write(child.input().unwrap(), b"ab\n"), Ok(3));
        wait_for(child.output(), PollFlags::IN, Deadline::NEVER).unwrap();
        let mut answer = [0; 16];
        assert_eq!(rustix::io::read(child.output(), &mut answer).unwrap(), 5);
        assert_eq!(&answer[..5], b"abab\n");
        child.close_input();
        assert!(child.input().is_none());
        assert_eq!(child.finish().unwrap(), Some(9));
    }

    #[test]
    fn a_child_that_is_ended() {
        shell("while :; do sleep 100; done").terminate().unwrap();
        assert_eq!(shell("kill -KILL $$").finish().unwrap(), None);
        assert_eq!(shell("read end; exit 3").end().unwrap(), Some(3));
    }
}
