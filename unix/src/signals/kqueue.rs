//! The BSDs and macOS: signals by kqueue(2), which tells of those that are blocked, too,
//! but not who has sent them. Compiles; has not been run.

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::signal::{SigSet, Signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::WATCHED;

/// Signals that are blocked, and have arrived.
#[derive(Debug)]
pub(super) struct Queue(Kqueue);

const AT_ONCE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

impl Queue {
    /// Of these, which the caller has blocked.
    pub(super) fn of(set: &SigSet) -> io::Result<Self> {
        let wanted: Vec<_> = set.iter().map(|signal| event(signal as usize)).collect();
        let queue = Kqueue::new()?;
        queue.kevent(&wanted, &mut [], Some(AT_ONCE))?;
        Ok(Self(queue))
    }

    /// Those that have arrived; 0 instead of the process that one is from.
    pub(super) fn arrived(&self) -> io::Result<Vec<(Signal, u32)>> {
        let mut arrived = WATCHED.map(|_| event(0));
        let count = self.0.kevent(&[], &mut arrived, Some(AT_ONCE))?;
        let signal = |one: &KEvent| Signal::try_from(i32::try_from(one.ident()).ok()?).ok();
        Ok(arrived.iter().take(count).filter_map(signal).map(|signal| (signal, 0)).collect())
    }
}

fn event(number: usize) -> KEvent {
    let (filter, flags) = (EventFilter::EVFILT_SIGNAL, EvFlags::EV_ADD | EvFlags::EV_CLEAR);
    KEvent::new(number, filter, flags, FilterFlag::empty(), 0, 0)
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
