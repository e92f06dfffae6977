//! Children that are not to outlive this process, however it ends: also where it is killed and
//! could not end them itself. Called by who starts services for as long as somebody looks at them.

use std::process::Command;

/// Has the program be told to end (SIGTERM) when the thread that starts it has ended. One that
/// becomes another user is no longer told; systems other than Linux tell nobody.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "it is the child that asks for this, between fork and exec")]
pub fn end_with_parent(command: &mut Command) {
    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    use std::os::unix::process::CommandExt;
    // SAFETY: all it does is one system call that is allowed there (signal-safety(7)).
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGTERM)?)) };
}

/// The same.
#[cfg(not(target_os = "linux"))]
pub fn end_with_parent(_: &mut Command) {}
