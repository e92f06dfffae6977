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

    /// What it holds there. Part of whatever loops over a bucket, which takes a fourth less
    /// than with calls.
    #[inline(always)]
    pub(super) fn entry(&self, at: usize) -> Option<Entry> {
        let entry = Entry::decode(self.octets(at)?)?;
        places(entry.about.kind()).contains(&at).then_some(entry)
    }

    /// All that it holds.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..WAYS).filter_map(|at| self.entry(at))
    }

    /// Where it holds something about this.
    pub(super) fn find(&self, about: About) -> Option<usize> {
        let wanted = identity(about);
        let is_it = |at: usize| self.octets(at).is_some_and(|one| is_about_same(one, &wanted));
        places(about.kind()).find(|&at| is_it(at) && self.entry(at).is_some())
    }

    /// What it holds about this.
    #[must_use]
    pub fn get(&self, about: About) -> Option<Entry> {
        self.entry(self.find(about)?)
    }

    /// Whether an entry of this kind can be put there with no other given up for it.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        places(kind).any(|at| self.entry(at).is_none())
    }

    /// Puts an entry where one about the same was [found](Self::find), else in a free place, or
    /// that of the one that is worth least; which place it is.
    pub(super) fn put(
        &mut self,
        found: Option<usize>,
        entry: &Entry,
        settings: &Settings,
        now: u32,
    ) -> Option<usize> {
        let places = places(entry.about.kind());
        let at = found.or_else(|| self.dispensable(places, settings, now))?;
        self.set(at, entry.encode());
        Some(at)
    }

    /// The first of these places that is free, else that of the entry that is worth least.
    fn dispensable(&self, places: Range<usize>, settings: &Settings, now: u32) -> Option<usize> {
        let mut least = None;
        for at in places {
            let Some(worth) = self.entry(at).map(|entry| entry.worth(settings, now)) else {
                return Some(at);
            };
            if least.is_none_or(|(least, _)| worth < least) {
                least = Some((worth, at));
            }
        }
        least.map(|(_, at)| at)
    }

    /// Forgets what it holds there.
    pub(super) fn forget(&mut self, at: usize) {
        self.set(at, [0; ENTRY]);
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

    fn put(bucket: &mut Bucket, entry: &Entry, now: u32) {
        let found = bucket.find(entry.about);
        bucket.put(found, entry, &Settings::default(), now).unwrap();
    }

    #[test]
    fn who_is_worth_least_goes() {
        let mut bucket = Bucket::empty();
        let about = |number: u64| About::User(UserHash(number));
        for number in 0..20 {
            // The tenth has the least.
            let score = if number == 10 { ONE } else { 2 * ONE };
            put(&mut bucket, &Entry { score, ..Entry::new(about(number), 0) }, 0);
        }
        put(&mut bucket, &Entry { score: ONE, ..Entry::new(about(20), 0) }, 0);
        assert!(bucket.get(about(10)).is_none() && bucket.get(about(20)).is_some());
        assert_eq!(bucket.entries().count(), 20);
        assert_eq!(bucket.clear(|entry| entry.score == ONE), 1);
        assert_eq!(bucket.entries().count(), 19);
    }

    #[test]
    fn failures_do_not_push_out_who_is_known() {
        let mut bucket = Bucket::empty();
        let source = Source::new("192.0.2.7".parse().unwrap());
        let pair = |number: u64| source.known_user(UserHash(number));
        for number in 0..13 {
            let good = 100 + u32::try_from(number).unwrap();
            put(&mut bucket, &Entry { good, ..Entry::new(pair(number), 0) }, 200);
        }
        for number in 0..100 {
            let score = 60_000 * ONE;
            let about = About::User(UserHash(number));
            put(&mut bucket, &Entry { score, ..Entry::new(about, 0) }, 200);
        }
        let known: Vec<_> =
            bucket.entries().filter(|entry| entry.about.kind() == Kind::KnownUser).collect();
        assert_eq!(known.len(), 12);
        assert!(bucket.get(pair(0)).is_none(), "the oldest has gone");
        assert_eq!(bucket.clear(|_| true), 20);
        let left: Vec<_> = bucket.entries().map(|entry| entry.about.kind()).collect();
        assert_eq!(left, [Kind::KnownUser; 12]);
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
