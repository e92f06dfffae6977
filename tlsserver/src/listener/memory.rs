//! Whether there is the memory that the server needs, told before anything is opened: where
//! an allocation fails later, an engine ends with all the connections that it has.

use rustix::process::{Resource, getrlimit};
use std::fmt;

/// The least, in octets, with which each of the processes starts and serves some forty
/// clients, however slow they are: measured, with as much again as a handshake takes.
pub const LEAST: u64 = 12_000_000;

/// A limit on memory that is too low, in octets.
#[derive(Debug)]
pub(super) struct TooLow(u64);

impl fmt::Display for TooLow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(limit) = self;
        write!(f, "limit on memory: {limit} octets, and at least {LEAST} are needed")
    }
}

/// Whether the limits on memory leave room for it.
pub(super) fn check() -> Result<(), TooLow> {
    let soft = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    match soft.into_iter().flatten().min() {
        Some(limit) if limit < LEAST => Err(TooLow(limit)),
        _ => Ok(()),
    }
}
