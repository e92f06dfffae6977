//! Whether clients wait as there is no room for them, and when the log was told. Who waits is
//! [`super::server`]'s to find out; the line is [`super::begin`]'s.

use std::time::{Duration, Instant};

/// How long it is not said again while clients go on waiting: whoever reads a log that was begun
/// anew is to see it, too.
const QUIET: Duration = Duration::from_secs(600);

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// When it was said last that there is one, and it has not been seen to be over.
    said: Option<Instant>,
}

impl Crowd {
    /// It was said that there is one, and nobody has seen that there is none.
    pub(super) const fn is_there(&self) -> bool {
        self.said.is_some()
    }

    /// Whether it would not be news to the log.
    pub(super) fn is_known(&self, now: Instant) -> bool {
        self.said.is_some_and(|said| now < said + QUIET)
    }

    /// Somebody waits; whether that is to be said.
    pub(super) fn seen(&mut self, now: Instant) -> bool {
        let is_news = !self.is_known(now);
        if is_news {
            self.said = Some(now);
        }
        is_news
    }

    /// There is room, and nobody waits.
    pub(super) const fn is_over(&mut self) {
        self.said = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d74_a_crowd_is_said_when_it_comes_and_every_ten_minutes_while_it_stays() {
        let began = Instant::now();
        let mut crowd = Crowd::default();
        assert!(!crowd.is_there() && !crowd.is_known(began));
        let seconds_when_said: Vec<u64> =
            (0..1801).filter(|&second| crowd.seen(began + Duration::from_secs(second))).collect();
        assert_eq!(seconds_when_said, [0, 600, 1200, 1800]);
        assert!(crowd.is_there());
        crowd.is_over();
        assert!(!crowd.is_there());
        assert!(crowd.seen(began + Duration::from_secs(1801)), "another one");
    }
}
