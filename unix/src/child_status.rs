//! Whether the system keeps how a child ended until somebody asks.
//!
//! Called at the start of each program that waits for children.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Has the system keep the exit status of children until they are waited for: whoever
/// started this process may have asked it not to, by ignoring `SIGCHLD`. To be called
/// before there are any.
#[expect(unsafe_code, reason = "how a signal is treated belongs to the whole process")]
pub fn keep() {
    // SAFETY: no handler of ours is put in, and nothing here relies on there being one.
    // The call cannot fail for a signal that exists.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}
