//! Sockets that a supervisor passed at the start (`LISTEN_FDS`, as systemd does):
//! descriptors 3 and up, open from the first moment.

use crate::descriptor::{FIRST, inherit_row};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the first `count` of them that are open; they close on exec from now on.
///
/// To be called at start-up, like [`crate::descriptor::inherit`]; the caller has checked that
/// `LISTEN_PID` is this process. Only the first call gets them.
#[must_use]
pub fn take(count: u32) -> Vec<OwnedFd> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let end = i32::try_from(count).map_or(FIRST, |count| FIRST.saturating_add(count));
    inherit_row(FIRST..end)
}
