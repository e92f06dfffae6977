//! Lines that strangers can cause, and cause again and again: what is said of them is
//! bounded, however many there are.
//!
//! Each is said as it is until there were many like it, or many of all; the others are
//! counted and said together. Called by [`super::server`], which has the clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::report::Event;

/// For how long lines are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// So many of the same are said one by one.
const MOST_OF_ONE: u32 = 50;
/// So many of all.
const MOST_OF_ALL: u32 = 500;
/// So many different ones are counted by themselves.
const MOST_DIFFERENT: usize = 64;

/// What has been said lately.
#[derive(Debug)]
pub(super) struct Repeated(RefCell<Window>);

#[derive(Debug)]
struct Window {
    ends: Instant,
    said: u32,
    by_line: HashMap<String, Count>,
    /// Of those that have no count of their own.
    others: u64,
}

#[derive(Debug, Default)]
struct Count {
    said: u32,
    unsaid: u64,
}

impl Repeated {
    pub(super) fn new(now: Instant) -> Self {
        Self(RefCell::new(Window::from(now)))
    }

    /// Counts a line, and says whether it is to be logged. `line` is what makes it the same as
    /// others.
    pub(super) fn count(&self, line: &str) -> bool {
        let mut window = self.0.borrow_mut();
        let room = window.said < MOST_OF_ALL;
        let known = window.by_line.len();
        if let Some(count) = window.by_line.get_mut(line) {
            if !room || count.said >= MOST_OF_ONE {
                count.unsaid += 1;
                return false;
            }
            count.said += 1;
        } else if known < MOST_DIFFERENT {
            let count = Count { said: u32::from(room), unsaid: u64::from(!room) };
            window.by_line.insert(line.to_owned(), count);
        } else if !room {
            window.others += 1;
        }
        window.said += u32::from(room);
        room
    }

    /// Those that were not, once that is due.
    pub(super) fn sums(&self, now: Instant) -> Sums {
        let mut window = self.0.borrow_mut();
        if now < window.ends {
            return Sums::default();
        }
        let Window { by_line, others, .. } = std::mem::replace(&mut *window, Window::from(now));
        let by_line = by_line.into_iter().map(|(line, Count { unsaid, .. })| (line, unsaid));
        Sums { by_line: by_line.filter(|(_, unsaid)| *unsaid > 0).collect(), others }
    }
}

/// How often which lines were not logged.
#[derive(Debug, Default)]
pub(super) struct Sums {
    by_line: BTreeMap<String, u64>,
    others: u64,
}

impl Sums {
    /// What is to be logged instead.
    pub(super) fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let by_line = self.by_line.iter().map(|(line, count)| Event::Repeated(line, *count));
        let others = Some(self.others).filter(|count| *count > 0);
        by_line.chain(others.map(Event::RepeatedByOthers))
    }
}

impl Window {
    fn from(now: Instant) -> Self {
        Self { ends: now + WINDOW, said: 0, by_line: HashMap::new(), others: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(repeated: &Repeated, now: Instant) -> Vec<String> {
        repeated.sums(now).events().map(|event| event.to_string()).collect()
    }

    #[test]
    fn the_same_line_is_summed_up_and_begins_anew() {
        let mut now = Instant::now();
        let repeated = Repeated::new(now);
        for _ in 0..2 {
            let said = (0..1000).filter(|_| repeated.count("deny from ::1: x")).count();
            assert_eq!(said, 50);
            assert!(repeated.count("deny from ::2: x"));
            assert_eq!(sums(&repeated, now), [""; 0]);
            now += WINDOW;
            assert_eq!(sums(&repeated, now), ["deny from ::1: x (950 more)"]);
        }
    }

    #[test]
    fn so_are_lines_that_are_all_different() {
        let now = Instant::now();
        let repeated = Repeated::new(now);
        let line = |number: u32| format!("deny from 10.0.0.{number}: x");
        let said = (0..100_000).filter(|&number| repeated.count(&line(number))).count();
        assert_eq!(said, 500);
        let (known, said) = (repeated.0.borrow().by_line.len(), repeated.0.borrow().said);
        assert_eq!((known, said), (MOST_DIFFERENT, MOST_OF_ALL));
        assert_eq!(sums(&repeated, now + WINDOW), ["99500 more lines about other clients"]);
        // One that is known by then has a count of its own.
        for number in 0..MOST_OF_ALL + 1 {
            repeated.count(&line(number));
        }
        repeated.count(&line(0));
        let sums = sums(&repeated, now + 2 * WINDOW);
        assert_eq!(
            sums,
            [&line(0)[..], "1 more lines about other clients"].map(|line| match line {
                known if known.starts_with("deny") => format!("{known} (1 more)"),
                others => others.to_owned(),
            })
        );
    }
}
