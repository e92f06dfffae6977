//! Signal dispositions: what the system does about a signal that nobody here handles.
//!
//! The only place that changes them; a change is the whole process's.

use nix::sys::signal::{SigHandler, Signal, signal};

/// Has the system keep the exit status of children until they are waited for: whoever
/// started this process may have asked it not to, by ignoring `SIGCHLD`. To be called
/// before there are any.
pub fn keep_child_status() {
    set(Signal::SIGCHLD, SigHandler::SigDfl);
}

/// Writing to what nobody reads is an error.
pub(crate) fn ignore_broken_pipes() {
    set(Signal::SIGPIPE, SigHandler::SigIgn);
}

/// Writing to what nobody reads ends the process, as programs expect it that we become.
pub(crate) fn end_at_broken_pipes() {
    set(Signal::SIGPIPE, SigHandler::SigDfl);
}

#[expect(unsafe_code, reason = "a handler could do what a signal may not")]
fn set(which: Signal, disposition: SigHandler) {
    // SAFETY: no caller above puts a handler in. The call cannot fail for a signal that
    // exists.
    let _ = unsafe { signal(which, disposition) };
}
