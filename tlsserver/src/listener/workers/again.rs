//! When something that has failed is tried again: soon, and later each time that it fails again.
//! What is tried, and what a failure is, its callers know.

use std::time::{Duration, Instant};

use super::LIVED;

/// The first pause before another try; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// One kind of thing that may fail, by itself: that another goes well says nothing of it.
#[derive(Debug)]
pub(super) struct Again {
    pause: Duration,
    at: Option<Instant>,
    /// The last try, but for those that nothing has failed before.
    tried: Option<Instant>,
}

impl Again {
    pub(super) const fn new() -> Self {
        Self { pause: PAUSE, at: None, tried: None }
    }

    /// It has failed. If it went well for a while after the last try, the pause does not grow.
    pub(super) fn later(&mut self, now: Instant) {
        if self.at.is_some() {
            return;
        }
        let failed_again =
            self.tried.is_some_and(|tried| now.saturating_duration_since(tried) < LIVED);
        self.pause = if failed_again { LONGEST_PAUSE.min(self.pause * 2) } else { PAUSE };
        self.at = Some(now + self.pause);
    }

    /// When it is to be tried.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Takes the try that is due, if one is: it is made now.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.at.take_if(|at| now >= *at).is_some();
        if is_due {
            self.tried = Some(now);
        }
        is_due
    }

    /// It need not be tried any more.
    pub(super) const fn stop(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at that moment; the pause until the next try, in seconds, and when that is.
    fn fails(again: &mut Again, now: Instant) -> (u64, Instant) {
        again.later(now);
        let at = again.at().unwrap();
        assert!(!again.take_due(now) && again.take_due(at) && again.at().is_none());
        ((at - now).as_secs(), at)
    }

    #[test]
    fn pauses_grow_until_it_has_gone_well_for_a_while() {
        let (mut again, mut now) = (Again::new(), Instant::now());
        for _ in 0..2 {
            for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
                let (pause, at) = fails(&mut again, now);
                assert_eq!(pause, expected);
                now = at + LIVED / 2;
            }
            now += LIVED;
        }
    }

    #[test]
    fn several_that_fail_at_once_are_one_failure_and_what_is_stopped_is_not_tried() {
        let (mut again, now) = (Again::new(), Instant::now());
        again.later(now);
        let at = again.at();
        again.later(now + PAUSE / 2);
        assert_eq!(again.at(), at);
        again.stop();
        assert!(!again.take_due(now + LONGEST_PAUSE));
    }
}
