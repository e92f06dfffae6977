//! Signal dispositions: what the system does about a signal that nobody here handles.
//!
//! The only place that changes them; a change is the whole process's.

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

/// All as the system has it by default, and none blocked, whatever whoever started this
/// process wanted. So there is an exit status of children until they are waited for, which
/// ignoring `SIGCHLD` would do away with. Not those by which Rust's runtime hears of a
/// stack that overflows, nor `SIGPIPE`, which the callers have their own mind about.
pub(crate) fn all_as_by_default() {
    use Signal::{SIGBUS, SIGKILL, SIGPIPE, SIGSEGV, SIGSTOP};
    let kept = |one: &Signal| matches!(one, SIGBUS | SIGKILL | SIGPIPE | SIGSEGV | SIGSTOP);
    for one in Signal::iterator().filter(|one| !kept(one)) {
        set(one, SigHandler::SigDfl);
    }
    // It cannot fail: the set is one.
    let _ = SigSet::empty().thread_set_mask();
}

/// A hangup ends nothing: for a process that is reloaded by another, and starts nothing. Whoever
/// sends that signal to all processes of one name means the other.
pub fn ignore_hangups() {
    set(Signal::SIGHUP, SigHandler::SigIgn);
}

/// Raised by writing: to what nobody reads, and more than the limit on a file's size allows.
const WRITING: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGXFSZ];

/// What cannot be written is an error.
pub fn fail_at_writing() {
    WRITING.into_iter().for_each(|one| set(one, SigHandler::SigIgn));
}

/// It ends the process, as programs expect it that we become.
pub(crate) fn end_at_writing() {
    WRITING.into_iter().for_each(|one| set(one, SigHandler::SigDfl));
}

#[expect(unsafe_code, reason = "a handler could do what a signal may not")]
fn set(which: Signal, disposition: SigHandler) {
    // SAFETY: no caller above puts a handler in. The call cannot fail for a signal that
    // exists.
    let _ = unsafe { signal(which, disposition) };
}
