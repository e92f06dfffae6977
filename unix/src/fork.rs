//! Two processes out of one, without a new program: for the part of a program that
//! goes to jail while the rest stays outside.

use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};
use std::io;

/// Which of the two this is.
#[derive(Debug)]
pub enum Forked {
    /// The new one.
    Child,
    /// The one that was there before, with the new one.
    Parent(Companion),
}

/// The process that was made. It outlives this value, unless it is ended.
#[derive(Debug)]
pub struct Companion(Pid);

/// Forks. Both have every descriptor, and must drop what is the other's. To be called
/// by a process that has one thread.
///
/// # Errors
/// The system's, most likely that there are too many processes.
#[expect(unsafe_code, reason = "fork in a process with threads leaves locks held for ever")]
pub fn fork() -> io::Result<Forked> {
    // SAFETY: there is one thread, by contract, so no lock is held by another.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Forked::Child),
        ForkResult::Parent { child } => Ok(Forked::Parent(Companion(child))),
    }
}

impl Companion {
    /// Ends it, whatever it is doing, and waits until it is gone.
    pub fn end(self) {
        let _ = nix::sys::signal::kill(self.0, Signal::SIGKILL);
        while waitpid(self.0, None) == Err(nix::errno::Errno::EINTR) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor_passing::{await_message, channel};

    #[test]
    fn ending_it_closes_what_it_held() {
        let (here, there) = channel().unwrap();
        // The child does nothing that a lock of another test's thread could keep.
        let Forked::Parent(companion) = fork().unwrap() else {
            loop {
                nix::unistd::pause();
            }
        };
        drop(there);
        companion.end();
        assert_eq!(await_message(&here, &mut [0; 8]).unwrap().length, 0);
    }
}
