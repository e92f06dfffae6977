//! Signals as a descriptor to wait on, beside all others, in one loop.
//!
//! They are blocked in this process and read from the descriptor. What is to run as any
//! other program does is started by [`crate::spawn`].

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The signals that a server acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `SIGCHLD`: this child has ended, and perhaps others with it: the system tells
    /// several that end at once as one.
    ChildEnded(u32),
    /// `SIGHUP`: read again what is read at start.
    Reload,
    /// `SIGTERM`: finish what runs and take nothing new.
    Terminate,
}

const WATCHED: [Signal; 3] = [Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGTERM];

/// The descriptor.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
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
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self { descriptor: SignalFd::with_flags(&set, flags)? })
    }

    /// The next signal that has arrived; `None` when there is no more for now.
    ///
    /// # Errors
    /// The system's.
    pub fn next(&self) -> io::Result<Option<Event>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        Ok(match Signal::try_from(info.ssi_signo.cast_signed()) {
            Ok(Signal::SIGCHLD) => Some(Event::ChildEnded(info.ssi_pid)),
            Ok(Signal::SIGHUP) => Some(Event::Reload),
            Ok(Signal::SIGTERM) => Some(Event::Terminate),
            _ => None,
        })
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
    fn a_signal_is_read_and_then_there_is_none() {
        let signals = Signals::watch().unwrap();
        assert_eq!(signals.next().unwrap(), None);
        // To this thread: the test harness has others, which do not block it.
        nix::sys::signal::raise(Signal::SIGHUP).unwrap();
        assert_eq!(signals.next().unwrap(), Some(Event::Reload));
        assert_eq!(signals.next().unwrap(), None);
    }
}
