//! Where the server is between its start and its end, and whether anything can be accepted.

use std::time::{Duration, Instant};

/// How long nothing is accepted after descriptors ran out.
const PAUSE: Duration = Duration::from_millis(200);

/// From the start to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// What goes wrong is said by whoever started it, and ends it.
    Starting,
    Serving,
    /// Nothing new is taken. Until then who needs the listener may come to an end; the others
    /// go on without it.
    Leaving(Instant),
    /// Until then it is waited for a monitor that works: nobody else replaces one that is
    /// stuck, and who logs in would never hear.
    Replacing(Instant),
}

impl Course {
    pub(super) const fn is_starting(self) -> bool {
        matches!(self, Self::Starting)
    }

    pub(super) const fn is_leaving(self) -> bool {
        matches!(self, Self::Leaving(_) | Self::Replacing(_))
    }

    /// When it ends although somebody needs it.
    pub(super) const fn ends_at(self) -> Option<Instant> {
        if let Self::Leaving(at) | Self::Replacing(at) = self { Some(at) } else { None }
    }
}

/// Whether there are descriptors for more connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepting {
    Freely,
    /// They have run out, which has been said: not before then.
    Paused(Instant),
    /// Perhaps there are some by now.
    Again,
}

impl Accepting {
    /// The pause may be over.
    pub(super) fn resume(&mut self, now: Instant) {
        if self.paused_until().is_some_and(|until| now >= until) {
            *self = Self::Again;
        }
    }

    /// Descriptors have run out; says whether that is news.
    pub(super) fn pause(&mut self, now: Instant) -> bool {
        std::mem::replace(self, Self::Paused(now + PAUSE)) == Self::Freely
    }

    pub(super) const fn paused_until(self) -> Option<Instant> {
        if let Self::Paused(until) = self { Some(until) } else { None }
    }
}
