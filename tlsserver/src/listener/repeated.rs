//! The lines that strangers have the listener write, bounded by [`proto::repeated`]: which are
//! alike, and what is said of those that are not written. Called by [`super::server`], which
//! has the clock.

use proto::repeated::Sums;
use std::cell::RefCell;
use std::time::Instant;

use super::report::Event;

/// What has been written lately, by the text of it.
#[derive(Debug)]
pub(super) struct Repeated(RefCell<proto::repeated::Repeated<Instant, String, ()>>);

impl Repeated {
    pub(super) fn new(now: Instant) -> Self {
        Self(RefCell::new(proto::repeated::Repeated::new(now)))
    }

    /// Counts a line, and says whether it is to be logged. `line` is what makes it the same as
    /// others.
    pub(super) fn count(&self, now: Instant, line: String) -> bool {
        self.0.borrow_mut().count(now, line, ())
    }

    /// Has each line logged that stands for those that were not, once that is due.
    pub(super) fn sums(&self, now: Instant, mut log: impl FnMut(&Event<'_>)) {
        Self::log(&self.0.borrow_mut().sums(now), &mut log);
    }

    /// The same at the end, due or not.
    pub(super) fn finish(&self, now: Instant, mut log: impl FnMut(&Event<'_>)) {
        Self::log(&self.0.borrow_mut().finish(now), &mut log);
    }

    fn log(Sums { by_key, others }: &Sums<String, ()>, log: &mut impl FnMut(&Event<'_>)) {
        by_key.iter().for_each(|(line, (), count)| log(&Event::Repeated(line, *count)));
        if *others > 0 {
            log(&Event::RepeatedByOthers(*others));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::repeated::WINDOW;

    #[test]
    fn lines_are_summed_up() {
        let now = Instant::now();
        let repeated = Repeated::new(now);
        let line = |number: u32| format!("deny from 10.0.0.{number}: x");
        let said = (0..1000).filter(|_| repeated.count(now, line(7))).count();
        assert_eq!(said, 50);
        let said = (1000..2000).filter(|&number| repeated.count(now, line(number))).count();
        assert_eq!(said, 450);
        let sums = |now| {
            let mut said = Vec::new();
            repeated.sums(now, |event| said.push(event.to_string()));
            said
        };
        assert_eq!(sums(now), [""; 0]);
        let expected = ["deny from 10.0.0.7: x (950 more)", "550 more lines about other clients"];
        assert_eq!(sums(now + WINDOW), expected);
    }
}
