//! A child process: how it is started, waited for and ended.

#[cfg(target_os = "linux")]
use crate::exec::Program;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A child of this process. It goes on when this is dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    /// How it ended, once it has been waited for: its number may be another's then.
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts a program. `input` and `output` are its descriptors 0 and 1, where they are not to
    /// be this process's; what a failed write raises is at its default again.
    ///
    /// # Errors
    /// Why it cannot be run.
    #[cfg(target_os = "linux")]
    pub(crate) fn start(
        program: &Program,
        input: Option<BorrowedFd<'_>>,
        output: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        Ok(Self { pid: crate::vfork::start(program, [input, output, None])?, ended: None })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    /// Waits for its end; how that was.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        let waited = retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()))?;
        let (_, status) = waited.ok_or(io::ErrorKind::WouldBlock)?;
        Ok(*self.ended.insert(ExitStatus::from_raw(status.as_raw())))
    }

    /// Sends it a signal, unless it has been waited for.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.ended.is_none() {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }
}

impl From<std::process::Child> for Child {
    fn from(child: std::process::Child) -> Self {
        Self { pid: Pid::from_child(&child), ended: None }
    }
}
