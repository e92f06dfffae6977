//! Signals as a descriptor to wait on, beside all others, in one loop.
//!
//! They are blocked in this process and read from the descriptor. What is to run as any
//! other program does is started by [`crate::spawn`].

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "kqueue.rs"]
mod queue;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "signalfd.rs"]
mod queue;

use nix::sys::signal::{SigSet, Signal};
use queue::Queue;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The signals that a server acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `SIGCHLD`: this child has ended, and perhaps others with it: the system tells
    /// several that end at once as one. 0 where it does not say which.
    ChildEnded(u32),
    /// `SIGHUP`: read again what is read at start.
    Reload,
    /// `SIGTERM`: finish what runs and take nothing new.
    Terminate,
}

/// The system keeps one of each at most.
const WATCHED: [Signal; 3] = [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM];

/// The descriptor.
#[derive(Debug)]
pub struct Signals {
    descriptor: Queue,
}

impl Signals {
    /// Blocks the signals of [`Event`] and opens the descriptor. To be called
    /// before any thread is started, and behind [`crate::state::begin`].
    ///
    /// # Errors
    /// The system's.
    pub fn watch() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in WATCHED {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self { descriptor: Queue::of(&set)? })
    }

    /// Those that have arrived; none where the system does not say.
    #[must_use]
    pub fn arrived(&self) -> Vec<Event> {
        let arrived = self.descriptor.arrived().unwrap_or_default();
        let event = |(signal, sender)| match signal {
            Signal::SIGCHLD => Some(Event::ChildEnded(sender)),
            Signal::SIGHUP => Some(Event::Reload),
            Signal::SIGTERM => Some(Event::Terminate),
            _ => None,
        };
        arrived.into_iter().filter_map(event).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_and_then_there_are_none() {
        let signals = Signals::watch().unwrap();
        assert_eq!(signals.arrived(), []);
        // To this thread: the test harness has others, which do not block them.
        nix::sys::signal::raise(Signal::SIGHUP).unwrap();
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert_eq!(signals.arrived(), [Event::Reload, Event::Terminate]);
        assert_eq!(signals.arrived(), []);
    }
}
