//! What OpenBSD's kernel is asked to refuse: every system call but those that work on what is
//! open already (pledge(2)); any other ends the process. None of them opens a file, so there is
//! nothing left for unveil(2) to hide.

use super::{Failure, Profile, step};
use std::ffi::CStr;
use std::io;

/// `has_left` is whether the file system's root has been left.
///
/// # Errors
/// It has not been left, or the system's.
pub(super) fn restrict(profile: Profile, has_left: Result<(), Failure>) -> Result<(), Failure> {
    has_left?;
    let pledged = match profile {
        Profile::Dialog | Profile::Relay => pledge(c"stdio"),
        // tlsserver has not been compiled there, and nobody knows what it would need.
        Profile::Server { .. } | Profile::Signer => Err(io::ErrorKind::Unsupported.into()),
    };
    step("system call filter", pledged)
}

pub(super) const fn has_filter(_: Profile) -> bool {
    true
}

#[expect(unsafe_code, reason = "no safe wrapper for pledge is at hand")]
fn pledge(promises: &CStr) -> io::Result<()> {
    // SAFETY: the one pointer is to a string that a NUL ends, the other null, which promises
    // nothing about another program: none can be run.
    let done = unsafe { libc::pledge(promises.as_ptr(), std::ptr::null()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
