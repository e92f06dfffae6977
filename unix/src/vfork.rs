//! Starting a program without copying this process first, as posix_spawn(3) does, and without
//! what the C library's takes besides: musl's a heap of its own and a pipe, on which it hears what
//! went wrong, glibc's a call for each signal that there is. Each connection would pay for it.
//!
//! Linux only. Called by [`crate::child`] and [`crate::spawn`], which leave it to the standard
//! library elsewhere.

use crate::disposition;
use crate::exec::{Program, Ready};
use nix::errno::Errno;
use nix::libc::SIGCHLD;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::SigSet;
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// The child's stack, in octets: it makes some system calls, one after the other, for which it
/// needs 1,160 where nothing is optimized.
const STACK: usize = 4 * 1024;

/// Descriptors 0, 1 and 2 of a program, where they are to be others than this process's. None of
/// them is one of these three itself.
pub(crate) type Standard<'a> = [Option<BorrowedFd<'a>>; 3];

/// Starts a program with no signal blocked and what a failed write raises at its default. The
/// calling thread waits until it has begun.
///
/// # Errors
/// The system's: of the start, or why the program cannot be run.
#[expect(unsafe_code, reason = "the child has this process's memory until its program begins")]
pub(crate) fn start(program: &Program, standard: Standard<'_>) -> io::Result<Pid> {
    let ready = program.ready();
    let failed = AtomicI32::new(0);
    let mut stack = [0; STACK];
    let child = Box::new(|| {
        failed.store(become_it(&ready, standard) as i32, Relaxed);
        127
    });
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: this thread goes on only when the child is another program or has ended, so that its
    // stack and what it borrows are there as long as it uses them. All that it does is to make
    // system calls: it takes neither a lock nor memory, does not unwind, and needs a third of the
    // stack. Nor does a handler of a signal run in it that could, as nothing here sets one.
    let pid = unsafe { clone(child, &mut stack, flags, Some(SIGCHLD)) }?;
    let pid = Pid::from_raw(pid.as_raw()).ok_or(Errno::ECHILD)?;
    match failed.load(Relaxed) {
        0 => Ok(pid),
        reason => {
            rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
            Err(io::Error::from_raw_os_error(reason))
        }
    }
}

/// In the child. Returns only if it cannot become the program, with the reason.
fn become_it(program: &Ready<'_>, [input, output, errors]: Standard<'_>) -> Errno {
    let placed = input
        .map_or(Ok(()), dup2_stdin)
        .and_then(|()| output.map_or(Ok(()), dup2_stdout))
        .and_then(|()| errors.map_or(Ok(()), dup2_stderr));
    if let Err(reason) = placed {
        return Errno::from_raw(reason.raw_os_error());
    }
    disposition::end_at_writing();
    if let Err(reason) = SigSet::empty().thread_set_mask() {
        return reason;
    }
    program.become_it()
}
