//! What strangers can have the log say, and say again and again: bounded, however often.
//!
//! Each is said as it is until there were many like it, or many of all; the others are counted
//! and said together. Knows neither lines nor a clock. Who counts, says what is alike, and what
//! time it is: tlsserver's listener of connections that it denies, its monitor of logins that
//! are refused.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem::replace;
use core::ops::Add;
use core::time::Duration;

/// For how long they are counted together.
pub const WINDOW: Duration = Duration::from_secs(10);
/// So many that are alike are said one by one: five a second, which is more than people
/// and their mail programs do, an office behind one address included, and five times what
/// `contrib/fail2ban` bans for.
pub const MOST_OF_ONE: u32 = 50;
/// So many of all. What a stranger chooses of a line is cut, so that this many fill no disk in
/// the time that an administrator needs.
pub(crate) const MOST_OF_ALL: u32 = 500;
/// So many different ones are counted by themselves.
pub(crate) const MOST_DIFFERENT: usize = 64;

/// What has been said lately. `T` is a time, `K` what makes things alike, and `E` what is to be
/// known of the last one.
#[derive(Debug)]
pub struct Repeated<T, K, E> {
    ends: T,
    said: u32,
    by_key: BTreeMap<K, Count<E>>,
    /// Of those that have no count of their own.
    others: u64,
}

#[derive(Debug)]
struct Count<E> {
    said: u32,
    unsaid: u64,
    last: E,
}

/// How many were not said.
#[derive(Debug, PartialEq, Eq)]
pub struct Sums<K, E> {
    /// What is alike, the last one, and how many.
    pub by_key: Vec<(K, E, u64)>,
    /// Those that were of too many kinds to tell them apart.
    pub others: u64,
}

impl<T, K, E> Repeated<T, K, E>
where
    T: Copy + PartialOrd + Add<Duration, Output = T>,
    K: Ord,
{
    /// Nothing yet.
    #[must_use]
    pub fn new(now: T) -> Self {
        Self { ends: now + WINDOW, said: 0, by_key: BTreeMap::new(), others: 0 }
    }

    /// Says whether one like this would be said, and begins to count anew where that is due.
    pub fn look_for_room(&mut self, now: T, key: &K) -> bool {
        // Nobody calls when there is nothing to sum up, however long ago that was.
        if now >= self.ends && self.ends_at().is_none() {
            *self = Self::new(now);
        }
        self.said < MOST_OF_ALL && self.by_key.get(key).is_none_or(|count| count.said < MOST_OF_ONE)
    }

    /// Counts one, and returns whether it is to be said.
    pub fn count(&mut self, now: T, key: K, one: E) -> bool {
        let has_room = self.look_for_room(now, &key);
        if has_room {
            self.count_said(key, one);
        } else {
            self.count_unsaid(key, one);
        }
        has_room
    }

    /// Counts one that has been said.
    pub fn count_said(&mut self, key: K, one: E) {
        self.said = self.said.saturating_add(1);
        if let Some(count) = self.count_of(key, one) {
            count.said = count.said.saturating_add(1);
        }
    }

    /// Counts one that will not be said.
    pub fn count_unsaid(&mut self, key: K, one: E) {
        match self.count_of(key, one) {
            Some(count) => count.unsaid += 1,
            None => self.others += 1,
        }
    }

    fn count_of(&mut self, key: K, last: E) -> Option<&mut Count<E>> {
        if self.by_key.len() >= MOST_DIFFERENT && !self.by_key.contains_key(&key) {
            return None;
        }
        match self.by_key.entry(key) {
            alloc::collections::btree_map::Entry::Occupied(known) => {
                let count = known.into_mut();
                count.last = last;
                Some(count)
            }
            alloc::collections::btree_map::Entry::Vacant(new) => {
                Some(new.insert(Count { said: 0, unsaid: 0, last }))
            }
        }
    }

    /// When [`Self::sums`] has something; none where nothing was left unsaid.
    #[must_use]
    pub fn ends_at(&self) -> Option<T> {
        let unsaid = self.others > 0 || self.by_key.values().any(|count| count.unsaid > 0);
        unsaid.then_some(self.ends)
    }

    /// What was not said, once that is due; counting begins anew then.
    pub fn sums(&mut self, now: T) -> Sums<K, E> {
        if now < self.ends {
            return Sums { by_key: Vec::new(), others: 0 };
        }
        self.finish(now)
    }

    /// The same, due or not.
    pub fn finish(&mut self, now: T) -> Sums<K, E> {
        let Self { by_key, others, .. } = replace(self, Self::new(now));
        let unsaid = by_key.into_iter().filter(|(_, count)| count.unsaid > 0);
        let by_key = unsaid.map(|(key, Count { unsaid, last, .. })| (key, last, unsaid)).collect();
        Sums { by_key, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Counted = Repeated<Duration, u32, char>;

    const START: Duration = Duration::ZERO;

    fn nothing() -> Sums<u32, char> {
        Sums { by_key: Vec::new(), others: 0 }
    }

    #[test]
    fn what_is_alike_is_summed_up_and_begins_anew() {
        let mut now = START;
        let mut repeated = Counted::new(now);
        for _ in 0..2 {
            let said = (0..999).filter(|_| repeated.count(now, 1, 'a')).count();
            assert_eq!(said, MOST_OF_ONE as usize);
            assert!(!repeated.count(now, 1, 'b'), "the last one");
            assert!(repeated.count(now, 2, 'c'), "another");
            assert_eq!(repeated.sums(now), nothing());
            now += WINDOW;
            assert_eq!(repeated.ends_at(), Some(now));
            let sums = repeated.sums(now);
            assert_eq!(sums, Sums { by_key: [(1, 'b', 950)].into(), others: 0 });
            assert_eq!((repeated.ends_at(), repeated.sums(now)), (None, nothing()));
        }
    }

    #[test]
    fn so_is_what_is_all_different() {
        let mut repeated = Counted::new(START);
        let said = (0..100_000).filter(|&key| repeated.count(START, key, 'a')).count();
        assert_eq!(said, MOST_OF_ALL as usize);
        assert_eq!(repeated.by_key.len(), MOST_DIFFERENT);
        // One that is known by then has a count of its own.
        assert!(!repeated.count(START, 0, 'b'));
        let sums = repeated.sums(START + WINDOW);
        assert_eq!(sums, Sums { by_key: [(0, 'b', 1)].into(), others: 99_500 });
    }

    #[test]
    fn who_asks_first_has_it_counted_as_it_was_told() {
        let mut repeated = Counted::new(START);
        assert!(repeated.look_for_room(START, &1));
        for _ in 0..MOST_OF_ONE + 3 {
            repeated.count_said(1, 'a');
        }
        assert!(!repeated.look_for_room(START, &1) && repeated.look_for_room(START, &2));
        assert_eq!(repeated.ends_at(), None, "all was said");
        repeated.count_unsaid(1, 'b');
        repeated.count_unsaid(2, 'c');
        let sums = repeated.finish(START);
        assert_eq!(sums, Sums { by_key: [(1, 'b', 1), (2, 'c', 1)].into(), others: 0 });
    }

    #[test]
    fn what_was_all_said_takes_no_room_later() {
        let mut repeated = Counted::new(START);
        for _ in 0..MOST_OF_ONE {
            assert!(repeated.count(START, 1, 'a'));
        }
        assert!(repeated.count(START + WINDOW, 1, 'b'), "nobody sums up what was said");
        assert_eq!(repeated.ends_at(), None);
    }
}
