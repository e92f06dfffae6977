//! What OpenBSD's kernel is asked to refuse: every system call but those of a promise or two
//! (pledge(2)); any other ends the process. No promise here opens a file, so there is nothing
//! left for unveil(2) to hide.

use super::{Failure, Profile, step};
use std::ffi::CStr;
use std::io;

/// `has_left` is whether the file system's root has been left.
///
/// # Errors
/// It has not been left, or the system's.
pub(super) fn restrict(profile: Profile, has_left: Result<(), Failure>) -> Result<(), Failure> {
    has_left?;
    let promises = match profile {
        Profile::Dialog | Profile::Relay => c"stdio",
        Profile::Server { .. } | Profile::Signer => c"stdio recvfd sendfd",
    };
    step("system call filter", pledge(promises))
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
