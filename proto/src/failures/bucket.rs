//! One bucket of the table: which of its places an entry may have, and who goes when it is full.
//!
//! Nothing in it is trusted: what cannot have been written here is an empty place. The
//! first places are for scores, the last for who is known, so that no flood of failures
//! pushes out who is known.

use super::entry::{ENTRY, Entry, identity, is_about_same, is_about_who_is_known};
use super::settings::Settings;
use super::source::{About, Kind};
use core::ops::Range;

/// Places of a bucket.
const WAYS: usize = 32;
/// Octets of a bucket.
pub const BUCKET: usize = WAYS * ENTRY;

/// How many places are for scores.
const FOR_SCORES: usize = 20;
const fn places(kind: Kind) -> Range<usize> {
    if is_about_who_is_known(kind) { Bucket::KNOWN } else { Bucket::SCORES }
}

/// A bucket's octets.
#[derive(Clone)]
pub struct Bucket(pub [u8; BUCKET]);

impl Bucket {
    const SCORES: Range<usize> = 0..FOR_SCORES;
    const KNOWN: Range<usize> = FOR_SCORES..WAYS;

    /// One that holds nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self([0; BUCKET])
    }

    fn octets(&self, at: usize) -> Option<&[u8; ENTRY]> {
        self.0.as_chunks().0.get(at)
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let entry = Entry::decode(self.octets(at)?)?;
        places(entry.about.kind()).contains(&at).then_some(entry)
    }

    /// All that it holds.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..WAYS).filter_map(|at| self.entry(at))
    }

    fn find(&self, about: About) -> Option<(usize, Entry)> {
        let wanted = identity(about);
        let is_it =
            |&at: &usize| self.octets(at).is_some_and(|entry| is_about_same(entry, &wanted));
        let mut found = places(about.kind()).filter(is_it);
        found.find_map(|at| Some((at, self.entry(at)?)))
    }

    /// What it holds about this.
    #[must_use]
    pub fn get(&self, about: About) -> Option<Entry> {
        self.find(about).map(|(_, entry)| entry)
    }

    /// Puts an entry in its place, a free one, or that of the one that is worth least; which
    /// one it is.
    pub(super) fn put(&mut self, entry: &Entry, settings: &Settings, now: u32) -> Option<usize> {
        // A free one is less than any.
        let worth = |at: &usize| self.entry(*at).map(|entry| entry.worth(settings, now));
        let found = self.find(entry.about).map(|(at, _)| at);
        let at = found.or_else(|| places(entry.about.kind()).min_by_key(worth))?;
        self.set(at, entry.encode());
        Some(at)
    }

    /// Forgets what it holds about this; which one that was.
    pub(super) fn forget(&mut self, about: About) -> Option<usize> {
        let (at, _) = self.find(about)?;
        self.set(at, [0; ENTRY]);
        Some(at)
    }

    /// Takes back all refusals of what is meant; of how many there were any. Who is known
    /// stays known.
    pub fn clear(&mut self, mut is_meant: impl FnMut(&Entry) -> bool) -> usize {
        let mut cleared = 0;
        for at in 0..WAYS {
            let counts = |entry: &Entry| entry.score > 0 || !entry.secrets.is_empty();
            let Some(entry) = self.entry(at).filter(|entry| counts(entry) && is_meant(entry))
            else {
                continue;
            };
            let is_score = !is_about_who_is_known(entry.about.kind());
            self.set(at, if is_score { [0; ENTRY] } else { Entry { score: 0, ..entry }.encode() });
            cleared += 1;
        }
        cleared
    }

    fn set(&mut self, at: usize, octets: [u8; ENTRY]) {
        if let Some(place) = self.0.as_chunks_mut().0.get_mut(at) {
            *place = octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::keyed_hash::UserHash;
    use crate::failures::score::ONE;
    use crate::failures::source::{Kind, Source};
    use std::vec::Vec;

    #[test]
    fn who_is_worth_least_goes() {
        let settings = Settings::default();
        let mut bucket = Bucket::empty();
        let about = |number: u64| About::User(UserHash(number));
        for number in 0..20 {
            // The tenth has the least.
            let score = if number == 10 { ONE } else { 2 * ONE };
            bucket.put(&Entry { score, ..Entry::new(about(number), 0) }, &settings, 0);
        }
        bucket.put(&Entry { score: ONE, ..Entry::new(about(20), 0) }, &settings, 0);
        assert!(bucket.get(about(10)).is_none() && bucket.get(about(20)).is_some());
        assert_eq!(bucket.entries().count(), 20);
        assert_eq!(bucket.clear(|entry| entry.score == ONE), 1);
        assert_eq!(bucket.entries().count(), 19);
    }

    #[test]
    fn failures_do_not_push_out_who_is_known() {
        let settings = Settings::default();
        let mut bucket = Bucket::empty();
        let source = Source::new("192.0.2.7".parse().unwrap());
        let pair = |number: u64| source.pair(UserHash(number));
        for number in 0..13 {
            let good = 100 + u32::try_from(number).unwrap();
            bucket.put(&Entry { good, ..Entry::new(pair(number), 0) }, &settings, 200);
        }
        for number in 0..100 {
            let score = 60_000 * ONE;
            bucket.put(
                &Entry { score, ..Entry::new(About::User(UserHash(number)), 0) },
                &settings,
                200,
            );
        }
        let known: Vec<_> =
            bucket.entries().filter(|entry| entry.about.kind() == Kind::Pair).collect();
        assert_eq!(known.len(), 12);
        assert!(bucket.get(pair(0)).is_none(), "the oldest has gone");
        assert_eq!(bucket.clear(|_| true), 20);
        let left: Vec<_> = bucket.entries().map(|entry| entry.about.kind()).collect();
        assert_eq!(left, [Kind::Pair; 12]);
    }

    #[test]
    fn an_entry_in_a_wrong_place_is_none() {
        let mut bucket = Bucket::empty();
        let entry = Entry::new(About::User(UserHash(1)), 0);
        bucket.0[FOR_SCORES * ENTRY..][..ENTRY].copy_from_slice(&entry.encode());
        assert_eq!(bucket.entries().count(), 0);
        assert!(bucket.get(entry.about).is_none());
    }
}
