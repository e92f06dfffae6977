//! Moments after which we wait no longer, and waiting for descriptors until then.

use crate::shortage::{is_short, pause};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// What to wait for.
pub use rustix::event::PollFlags as Event;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A moment on the monotonic clock; or none, to wait for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Never.
    pub const NEVER: Self = Self(None);

    /// So many seconds from now. More than the clock can hold is never.
    #[must_use]
    pub fn after_seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// So long from now. More than the clock can hold is never.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// The sooner of the two.
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        })
    }

    /// The later of the two.
    #[must_use]
    pub fn or_later(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(one, two)| one.max(two)))
    }

    /// So many seconds later. More than the clock can hold is never.
    #[must_use]
    pub fn later_by_seconds(self, seconds: u64) -> Self {
        Self(self.0.and_then(|moment| moment.checked_add(Duration::from_secs(seconds))))
    }

    /// Whether it lies behind us. Waiting does not tell: what is ready is ready.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|moment| moment <= Instant::now())
    }

    fn remaining(self) -> Option<Timespec> {
        let remaining = self.0?.saturating_duration_since(Instant::now());
        // A duration too long for the system's type is as good as for ever.
        Timespec::try_from(remaining).ok()
    }
}

/// Waits until one of `descriptors` is ready, or the deadline has passed: then
/// `false`. Signals do not shorten or prolong the wait, nor does a shortage of memory.
///
/// # Errors
/// What poll says.
pub fn wait(descriptors: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<bool> {
    loop {
        match rustix::event::poll(descriptors, deadline.remaining().as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) if is_short_of_memory(errno) && deadline.has_passed() => return Ok(false),
            Err(errno) if is_short_of_memory(errno) => pause()?,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// By the standard, poll(2) may call that EAGAIN, too.
fn is_short_of_memory(errno: Errno) -> bool {
    errno == Errno::AGAIN || is_short(errno)
}

/// Waits until one of those wanted is ready, and says which are; `None` where the
/// deadline has passed.
///
/// # Errors
/// What poll says.
pub fn wait_for_any<const COUNT: usize>(
    wanted: [Option<(BorrowedFd<'_>, Event)>; COUNT],
    deadline: Deadline,
) -> io::Result<Option<[bool; COUNT]>> {
    let mut descriptors: Vec<_> = wanted
        .iter()
        .flatten()
        .map(|&(descriptor, event)| PollFd::from_borrowed_fd(descriptor, event))
        .collect();
    if !wait(&mut descriptors, deadline)? {
        return Ok(None);
    }
    let mut polled = descriptors.iter();
    Ok(Some(wanted.map(|one| {
        one.is_some() && polled.next().is_some_and(|descriptor| !descriptor.revents().is_empty())
    })))
}

/// For a loop that looks at the clock at each turn: waits until one of the sources is ready or
/// the moment has come, and says which are, in their order. None are, too, where a signal came,
/// and after a moment where the system has too little memory to wait: those who are served by
/// such a loop are not to lose it for that.
///
/// # Errors
/// What poll says.
pub fn ready_sources<S>(
    sources: Vec<(S, BorrowedFd<'_>, Event)>,
    until: Option<Instant>,
) -> io::Result<Vec<S>> {
    let mut waiting: Vec<_> = sources
        .iter()
        .map(|(_, descriptor, event)| PollFd::from_borrowed_fd(*descriptor, *event))
        .collect();
    match rustix::event::poll(&mut waiting, Deadline(until).remaining().as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(errno) if is_short_of_memory(errno) => return pause().map(|()| Vec::new()),
        Err(errno) => return Err(errno.into()),
    }
    let ready: Vec<_> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
    let sources = sources.into_iter().zip(ready);
    Ok(sources.filter_map(|((source, ..), is_ready)| is_ready.then_some(source)).collect())
}

/// What of `wanted` is so now, without waiting; `ERR`, `HUP` and `NVAL` are said unasked.
#[must_use]
pub fn ready_now(descriptor: BorrowedFd<'_>, wanted: Event) -> Event {
    let mut polled = [PollFd::from_borrowed_fd(descriptor, wanted)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut polled, Some(&now)) {
        Ok(_) => polled[0].revents(),
        Err(_) => Event::empty(),
    }
}

/// Waits for one descriptor.
///
/// # Errors
/// As [`wait`]; `TimedOut` where the deadline has passed.
pub fn wait_for(
    descriptor: BorrowedFd<'_>,
    event: PollFlags,
    deadline: Deadline,
) -> io::Result<()> {
    let mut descriptors = [PollFd::from_borrowed_fd(descriptor, event)];
    if wait(&mut descriptors, deadline)? { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_deadline_that_has_passed_does_not_wait() {
        let (silent, _kept) = std::os::unix::net::UnixStream::pair().unwrap();
        let waited = wait_for(silent.as_fd(), PollFlags::IN, Deadline::after_seconds(0));
        assert_eq!(waited.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_loop_is_told_which_of_its_sources_are_ready_until_its_moment() {
        let (speaks, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (silent, _kept) = std::os::unix::net::UnixStream::pair().unwrap();
        let sources =
            || vec![("silent", silent.as_fd(), Event::IN), ("speaks", speaks.as_fd(), Event::IN)];
        assert_eq!(ready_sources(sources(), Some(Instant::now())).unwrap(), [""; 0]);
        assert!(ready_now(speaks.as_fd(), Event::IN).is_empty());
        io::Write::write_all(&mut other, b"x").unwrap();
        assert_eq!(ready_sources(sources(), None).unwrap(), ["speaks"]);
        assert_eq!(ready_now(speaks.as_fd(), Event::IN), Event::IN);
        drop(other);
        assert!(ready_now(speaks.as_fd(), Event::empty()).contains(Event::HUP));
    }

    #[test]
    fn a_deadline_that_has_passed_says_so() {
        assert!(Deadline::after_seconds(0).has_passed());
        assert!(!Deadline::after_seconds(1000).has_passed());
        assert!(!Deadline::NEVER.has_passed());
    }

    #[test]
    fn only_what_is_wanted_is_waited_for() {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let [reads, writes] = [Event::IN, Event::OUT].map(|event| Some((one.as_fd(), event)));
        let ready = wait_for_any([None, reads, writes], Deadline::NEVER).unwrap();
        assert_eq!(ready, Some([false, false, true]));
        let silent = wait_for_any([reads, None], Deadline::after_seconds(0)).unwrap();
        assert_eq!(silent, None);
        drop(other);
        let hung_up = wait_for_any([reads, None], Deadline::NEVER).unwrap();
        assert_eq!(hung_up, Some([true, false]));
    }

    #[test]
    fn the_sooner_of_two() {
        let (soon, late) = (Deadline::after_seconds(1), Deadline::after_seconds(100));
        assert_eq!(soon.or_sooner(late), soon);
        assert_eq!(late.or_sooner(soon), soon);
        assert_eq!(Deadline::NEVER.or_sooner(late), late);
        assert_eq!(Deadline::after_seconds(u64::MAX), Deadline::NEVER);
    }

    #[test]
    fn the_later_of_two() {
        let (soon, late) = (Deadline::after_seconds(1), Deadline::after_seconds(100));
        assert_eq!(soon.or_later(late), late);
        assert_eq!(soon.later_by_seconds(1000).or_later(late), soon.later_by_seconds(1000));
        assert_eq!(soon.or_later(Deadline::NEVER), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.later_by_seconds(1), Deadline::NEVER);
        assert_eq!(soon.later_by_seconds(u64::MAX), Deadline::NEVER);
    }
}
