//! The processes of this program: how another is started, ended and waited for.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use unix::environment::named;
use unix::log::Reason;

use crate::environment::Variables;

/// Where Linux shows a process the file that it runs.
const ITSELF: &str = "/proc/self/exe";

/// This very program, also when its file was replaced meanwhile, under another name
/// and with no variables but these.
pub(crate) fn itself(name: &str, variables: &Variables) -> Command {
    let mut command = Command::new(ITSELF);
    command.arg0(name).env_clear().envs(named(variables));
    command
}

/// A descriptor that takes whatever is written, and has nothing to read.
///
/// # Errors
/// The system's, with the file's name, as where `/dev` is empty.
pub(crate) fn null_device() -> io::Result<OwnedFd> {
    const NULL: &str = "/dev/null";
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(NULL);
    opened.map(OwnedFd::from).map_err(|reason| named_if_missing(NULL, reason))
}

fn named_if_missing(file: &str, reason: io::Error) -> io::Error {
    match reason.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(reason.kind(), format!("{file}: {}", Reason(&reason)))
        }
        _ => reason,
    }
}

/// Starts what [`itself`] has made.
///
/// # Errors
/// The system's; with the file's name where it is not there, as in a chroot without `/proc`.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    command.spawn().map_err(|reason| named_if_missing(ITSELF, reason))
}

/// Ends a child of ours that has not been waited for, so its number is still its.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Waits for the child if it has ended.
pub(crate) fn how_it_ended(pid: u32) -> Option<How> {
    let pid = Pid::from_raw(pid.cast_signed())?;
    waitpid(Some(pid), WaitOptions::NOHANG).ok()?.map(|(_, status)| How(status))
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How(WaitStatus);

impl How {
    /// What wait(2) says; 0 where it went well.
    pub(crate) const fn number(self) -> i32 {
        self.0.as_raw()
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(code), _) => write!(f, "exit {code}"),
            (_, Some(signal)) => write!(f, "signal {signal}"),
            _ => write!(f, "status {}", self.0.as_raw()),
        }
    }
}
