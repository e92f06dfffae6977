//! Whether there is the memory that the server needs, told before anything is opened: where
//! an allocation fails later, an engine ends with all the connections that it has.

use rustix::process::{Resource, getrlimit};

/// The least, in octets, with which each of the processes starts and serves some forty
/// clients, however slow they are: measured, with as much again as a handshake takes.
pub(super) const LEAST: u64 = 12_000_000;

/// Whether the limits on memory leave room for it.
///
/// # Errors
/// Which do not, in the words of the log.
pub(super) fn check() -> Result<(), String> {
    let soft = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    match soft.into_iter().flatten().min() {
        Some(limit) if limit < LEAST => {
            Err(format!("limit on memory: {limit} octets, and at least {LEAST} are needed"))
        }
        _ => Ok(()),
    }
}
