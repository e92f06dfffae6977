//! Sockets that a supervisor passed at the start (`LISTEN_FDS`, as systemd does):
//! descriptors 3 and up, open from the first moment.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

const FIRST: i32 = 3;
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the first `count` of them that are open; they close on exec from now on.
///
/// The caller has checked that `LISTEN_PID` is this process. Only the first call
/// gets them.
#[must_use]
#[expect(unsafe_code, reason = "descriptors come as numbers from outside")]
pub fn take(count: u32) -> Vec<OwnedFd> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let end = i32::try_from(count).map_or(FIRST, |count| FIRST.saturating_add(count));
    (FIRST..end)
        .map_while(|number| {
            // SAFETY: `number` is not negative, and it is only looked at.
            let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
            rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC).ok()?;
            // SAFETY: it is open, and the protocol says that it is this process's
            // to own; that nobody takes it twice, `TAKEN` sees to.
            Some(unsafe { OwnedFd::from_raw_fd(number) })
        })
        .collect()
}
