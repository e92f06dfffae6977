//! What FreeBSD's kernel is asked to refuse: whatever is reached by a name and not by a
//! descriptor, such as files, addresses and other processes (Capsicum's capability mode,
//! capsicum(4)).
//!
//! Waiting for a child is refused there, too, since a child has a number. So a relay does
//! without.

use super::{Failure, Profile, step};
use std::io;

/// `has_left` is whether the file system's root has been left.
///
/// # Errors
/// The system's; or the file system has not been left where nothing else forbids files.
pub(super) fn restrict(profile: Profile, has_left: Result<(), Failure>) -> Result<(), Failure> {
    if has_filter(profile) {
        step("files and addresses", enter_capability_mode())
    } else {
        has_left
    }
}

pub(super) const fn has_filter(profile: Profile) -> bool {
    !matches!(profile, Profile::Relay)
}

#[expect(unsafe_code, reason = "no safe wrapper for Capsicum is at hand")]
fn enter_capability_mode() -> io::Result<()> {
    // SAFETY: it takes nothing, and changes only what this process may ask for.
    let done = unsafe { libc::cap_enter() };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
