//! The buckets that one login has to do with: which they are, which of them have to be read,
//! where in them something is, and what is to be written back. [`case`](super::case) says
//! what about, and decides by what is there.
//!
//! What is written begins with the first entry of a bucket that has been changed and ends with
//! the last: for a whole one the system takes half as long again.

use super::bucket::{BUCKET, Bucket};
use super::entry::{ENTRY, Entry, code};
use super::header::{BUCKETS, HEADER};
use super::keyed_hash::Key;
use super::settings::Settings;
use super::source::{About, Kind};
use alloc::vec::Vec;
use core::cell::Cell;
use core::hash::Hasher;
use core::ops::RangeInclusive;

/// The most that one login is about: one of each kind.
const ABOUTS: usize = 6;
/// In so many buckets at most.
const PLACES: usize = 4;

/// The buckets of one login.
pub(super) struct Places {
    /// What it is about, by its kind.
    abouts: [Option<Involved>; ABOUTS],
    all: Vec<Place>,
    /// How many of them have been read.
    read: usize,
    /// Whether the last is read only where the user may be known.
    spares_last: bool,
}

/// Something that a login is about.
struct Involved {
    about: About,
    /// Which of the buckets it is in.
    place: usize,
    slot: Cell<Slot>,
}

/// Where in its bucket that is. To look for it is most of what a login has to compute,
/// so that is done once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Has not been looked for.
    Unknown,
    /// In this place, or in none.
    Found(Option<usize>),
}

/// A bucket, where it is in the file, and what is in it.
pub struct Place {
    index: u16,
    bucket: Bucket,
    /// What was in it before the first change.
    old: Bucket,
    /// The entries that have been changed, and what is between them.
    changed: Option<RangeInclusive<usize>>,
}

impl Place {
    /// Where it begins in the file, in octets.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        HEADER as u64 + self.index as u64 * BUCKET as u64
    }

    /// Its octets, to be read.
    pub const fn octets_mut(&mut self) -> &mut [u8; BUCKET] {
        &mut self.bucket.0
    }

    /// What of this bucket has been changed in it, and where that is.
    fn changed<'a>(&self, bucket: &'a Bucket) -> Option<(u64, &'a [u8])> {
        let entries = self.changed.clone()?;
        let begin = entries.start() * ENTRY;
        let octets = bucket.0.get(begin..(entries.end() + 1) * ENTRY)?;
        Some((self.offset() + begin as u64, octets))
    }

    fn change(&mut self, at: usize) {
        let (first, last) = self.changed.clone().map_or((at, at), RangeInclusive::into_inner);
        self.changed = Some(first.min(at)..=last.max(at));
    }
}

impl Places {
    /// None yet.
    pub(super) fn new() -> Self {
        let all = Vec::with_capacity(PLACES);
        Self { abouts: Default::default(), all, read: 0, spares_last: false }
    }

    /// These, too, which are all in one bucket.
    pub(super) fn involve<const COUNT: usize>(&mut self, key: &Key, abouts: [About; COUNT]) {
        let Some(index) = abouts.first().map(|about| index(key, *about)) else { return };
        let same = self.all.iter().position(|place| place.index == index);
        let place = same.unwrap_or_else(|| {
            let (bucket, old) = (Bucket::empty(), Bucket::empty());
            self.all.push(Place { index, bucket, old, changed: None });
            self.all.len() - 1
        });
        for about in abouts {
            if let Some(one) = self.abouts.get_mut(about.kind() as usize) {
                *one = Some(Involved { about, place, slot: Cell::new(Slot::Unknown) });
            }
        }
    }

    /// Has the last bucket, the pair's, be read only where the user may be known.
    pub(super) fn spare_pair(&mut self) {
        let last = self.all.len().saturating_sub(1);
        let mut there = self.abouts.iter().flatten().filter(|one| one.place == last);
        let is_pair = there.next().is_some_and(|one| one.about.kind() == Kind::KnownUser);
        self.spares_last = is_pair && there.next().is_none();
    }

    /// The next bucket that is to be read; `None` once all are that matter.
    pub(super) fn unread(&mut self) -> Option<&mut Place> {
        let is_last = self.read + 1 == self.all.len();
        if is_last && self.spares_last && !self.can_have_pair() {
            return None;
        }
        let place = self.all.get_mut(self.read)?;
        self.read += 1;
        Some(place)
    }

    /// Whether the user may be known in the network. Not where nobody is, and nobody's entry
    /// has been pushed out: which spares us a bucket for whoever only guesses.
    fn can_have_pair(&self) -> bool {
        let Some((known, bucket)) = self.find(Kind::AnybodyKnown) else { return true };
        known.slot(bucket).is_some() || !bucket.has_room(Kind::AnybodyKnown)
    }

    /// What is to be written: where it begins in the file, and its octets.
    pub(super) fn changed(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.all.iter().filter_map(|place| place.changed(&place.bucket))
    }

    /// What was there before.
    pub(super) fn unchanged(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.all.iter().filter_map(|place| place.changed(&place.old))
    }

    /// What is known about this.
    pub(super) fn get(&self, about: About) -> Option<Entry> {
        let (involved, bucket) = self.find(about.kind())?;
        bucket.entry(involved.slot(bucket)?)
    }

    fn find(&self, kind: Kind) -> Option<(&Involved, &Bucket)> {
        let involved = self.abouts.get(kind as usize)?.as_ref()?;
        Some((involved, &self.all.get(involved.place)?.bucket))
    }

    /// Puts an entry where one about the same was, else where there is room for it.
    pub(super) fn put(&mut self, entry: &Entry, settings: &Settings, now: u32) {
        self.change(entry.about, |bucket, found| bucket.put(found, entry, settings, now));
    }

    /// Forgets all about this.
    pub(super) fn forget(&mut self, about: About) {
        self.change(about, |bucket, found| found.inspect(|&at| bucket.forget(at)));
    }

    /// Has a bucket change an entry, which may have been found there, and say which one.
    fn change(
        &mut self,
        about: About,
        act: impl FnOnce(&mut Bucket, Option<usize>) -> Option<usize>,
    ) {
        let Some((involved, bucket)) = self.find(about.kind()) else { return };
        let (at, found) = (involved.place, involved.slot(bucket));
        // What has not been read would be lost.
        let read = self.all.get_mut(..self.read);
        let Some(place) = read.and_then(|read| read.get_mut(at)) else { return };
        if place.changed.is_none() {
            place.old.clone_from(&place.bucket);
        }
        let Some(slot) = act(&mut place.bucket, found) else { return };
        place.change(slot);
        // What has been there, and this, are to be looked for again.
        let is_moved = |one: &&Involved| {
            one.about.kind() == about.kind()
                || one.place == at && one.slot.get() == Slot::Found(Some(slot))
        };
        self.abouts.iter().flatten().filter(is_moved).for_each(|one| one.slot.set(Slot::Unknown));
    }
}

impl Involved {
    fn slot(&self, bucket: &Bucket) -> Option<usize> {
        match self.slot.get() {
            Slot::Found(found) => found,
            Slot::Unknown => {
                let found = bucket.find(self.about);
                self.slot.set(Slot::Found(found));
                found
            }
        }
    }
}

/// Which bucket something is in. What is known of a network and of its addresses is in
/// one: it is read at once, and whoever has many addresses pushes out none but his own.
#[must_use]
pub fn index(key: &Key, about: About) -> u16 {
    let (kind, prefix) = match about {
        About::Address(prefix) | About::Network(prefix) | About::AnybodyKnown(prefix) => {
            (Kind::Network, Some(prefix.network()))
        }
        About::Wide(_) | About::User(_) | About::KnownUser(..) => (about.kind(), about.prefix()),
    };
    let mut hasher = key.hasher();
    hasher.write_u8(code(kind));
    hasher.write_u8(prefix.map_or(0, super::Prefix::length));
    hasher.write_u64(u64::from_le_bytes(prefix.map_or([0; 8], super::Prefix::octets)));
    hasher.write_u64(about.user().map_or(0, |user| user.0));
    // Less than BUCKETS.
    (hasher.finish() % u64::from(BUCKETS)) as u16
}
