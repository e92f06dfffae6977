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
use std::time::{Duration, Instant};

use crate::process::ended_child;

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

/// For how long a child's end may stay unsaid. The system looks at each child for it, which is
/// too much for each end where there are thousands.
const UNSAID: Duration = Duration::from_secs(1);

/// The descriptor.
#[derive(Debug)]
pub struct Signals {
    descriptor: Queue,
    /// When to look for children whose end is unsaid: some time after one was said.
    look: Option<Instant>,
    /// The last of them.
    unsaid: Option<u32>,
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
        Ok(Self { descriptor: Queue::of(&set)?, look: None, unsaid: None })
    }

    /// Those that have arrived; none where the system does not say.
    #[must_use]
    pub fn arrived(&mut self) -> Vec<Event> {
        let arrived = self.descriptor.arrived().unwrap_or_default();
        let event = |(signal, sender)| match signal {
            Signal::SIGCHLD => Some(Event::ChildEnded(sender)),
            Signal::SIGHUP => Some(Event::Reload),
            Signal::SIGTERM => Some(Event::Terminate),
            _ => None,
        };
        let events: Vec<_> = arrived.into_iter().filter_map(event).collect();
        if events.iter().any(|event| matches!(event, Event::ChildEnded(_))) {
            self.look.get_or_insert_with(|| Instant::now() + UNSAID);
        }
        events
    }

    /// When to ask for [`Self::unsaid`].
    #[must_use]
    pub const fn next_look(&self) -> Option<Instant> {
        self.look
    }

    /// A child that has ended unsaid, if it is time to look. The caller waits for it, and asks
    /// again at once.
    pub fn unsaid(&mut self, now: Instant) -> Option<u32> {
        self.look.filter(|at| *at <= now)?;
        let before = self.unsaid.take();
        let Some(found) = ended_child() else {
            self.look = None;
            return None;
        };
        if before == Some(found) {
            // Nobody has waited for it. To ask again at once would be for ever.
            self.look = Some(now + UNSAID);
            return None;
        }
        self.unsaid = Some(found);
        Some(found)
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
        let mut signals = Signals::watch().unwrap();
        assert_eq!(signals.arrived(), []);
        // To this thread: the test harness has others, which do not block them.
        nix::sys::signal::raise(Signal::SIGHUP).unwrap();
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert_eq!(signals.arrived(), [Event::Reload, Event::Terminate]);
        assert_eq!(signals.arrived(), []);
    }

    /// Other tests have children, too: which of them is said first is nobody's matter.
    #[test]
    fn a_child_whose_end_was_not_said_is_found_in_time() {
        let mut signals = Signals::watch().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        crate::process::ended_as_root(child.id(), true).unwrap();
        let now = Instant::now();
        assert_eq!(signals.unsaid(now), None);
        signals.look = Some(now + UNSAID);
        assert_eq!(signals.unsaid(now), None);
        assert!(signals.unsaid(now + UNSAID).is_some());
        child.wait().unwrap();
    }
}
