//! Linux: signals by signalfd(2).

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::io::{Errno, read, retry_on_intr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::WATCHED;

/// What one is in octets.
const SIZE: usize = size_of::<siginfo>();

/// Signals that are blocked, and have arrived.
#[derive(Debug)]
pub(super) struct Queue(SignalFd);

impl Queue {
    /// Of these, which the caller has blocked.
    pub(super) fn of(set: &SigSet) -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(set, flags)?))
    }

    /// Those that have arrived, and the processes that they are from: as many as there is room
    /// for, so that one read takes all.
    pub(super) fn arrived(&self) -> io::Result<Vec<(Signal, u32)>> {
        let mut octets = [0; WATCHED.len() * SIZE];
        let count = match retry_on_intr(|| read(&self.0, &mut octets)) {
            Err(Errno::AGAIN) => 0,
            count => count?,
        };
        let (each, _) = octets.get(..count).unwrap_or_default().as_chunks::<SIZE>();
        Ok(each.iter().filter_map(signal).collect())
    }
}

/// Its number is the first, and who sent it the fourth of `signalfd_siginfo`'s numbers of 32 bits.
fn signal(octets: &[u8; SIZE]) -> Option<(Signal, u32)> {
    let (numbers, _) = octets.as_chunks::<4>();
    let number = |at: usize| Some(u32::from_ne_bytes(*numbers.get(at)?));
    Some((Signal::try_from(number(0)?.cast_signed()).ok()?, number(3)?))
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
