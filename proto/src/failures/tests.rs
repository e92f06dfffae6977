//! The promises of the manual page, on a clock that is passed in: what guessing yields
//! ([`guesses`]), what the owner notices of it ([`owner`]), what the table withstands
//! ([`table`]).

mod guesses;
mod owner;
mod table;

use super::bucket::{BUCKET, Bucket};
use super::case::{Answer, Case, Ticket, Verdict};
use super::entry::Entry;
use super::header::{BUCKETS, HEADER};
use super::keyed_hash::Key;
use super::places::index;
use super::{About, Settings, Source, UserHash};
use std::vec;
use std::vec::Vec;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// The file, in memory, and a clock.
struct Table {
    key: Key,
    settings: Settings,
    buckets: Vec<Bucket>,
    now: u32,
}

/// One login that is wanted.
#[derive(Clone, Copy)]
struct Try<'a> {
    from: &'a str,
    user: &'a str,
    secret: &'a str,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Good,
    Wrong,
    /// Refused unasked, because of this.
    Later(About),
}

fn source(text: &str) -> Option<Source> {
    (!text.is_empty()).then(|| Source::new(text.parse().unwrap()))
}

impl Table {
    fn new(control: &str) -> Self {
        Self {
            key: Key(*b"not by chance...."[..16].first_chunk().unwrap()),
            settings: Settings::parse(control.as_bytes()).unwrap(),
            buckets: vec![Bucket::empty(); BUCKETS.into()],
            now: 1_000_000,
        }
    }

    fn with_case<T>(
        &mut self,
        mut case: Case,
        act: impl FnOnce(&mut Case, &Settings, u32) -> T,
    ) -> T {
        let at = |offset: u64| usize::try_from(offset).unwrap() - HEADER;
        while let Some(place) = case.unread() {
            *place.octets_mut() = self.buckets[at(place.offset()) / BUCKET].0;
        }
        let done = act(&mut case, &self.settings, self.now);
        for (offset, octets) in case.changed() {
            let bucket = &mut self.buckets[at(offset) / BUCKET].0;
            bucket[at(offset) % BUCKET..][..octets.len()].copy_from_slice(octets);
        }
        done
    }

    fn before(&mut self, one: Try<'_>) -> Verdict {
        let (user, secret) = (one.user.as_bytes(), one.secret.as_bytes());
        let case = Case::login(&self.key, &self.settings, source(one.from), user, secret);
        self.with_case(case, Case::before)
    }

    fn after(&mut self, ticket: &Ticket, answer: Answer) {
        self.with_case(Case::answered(ticket), |case, settings, now| {
            case.after(ticket, answer, settings, now);
        });
    }

    /// A login that checkpassword answers at once: "right" is everybody's password.
    fn log_in(&mut self, one: Try<'_>) -> Heard {
        match self.before(one) {
            Verdict::Refuse(about) => Heard::Later(about),
            Verdict::Ask(ticket) if one.secret == "right" => {
                self.after(&ticket, Answer::Good);
                Heard::Good
            }
            Verdict::Ask(ticket) => {
                self.after(&ticket, Answer::Refused);
                Heard::Wrong
            }
        }
    }

    fn is_shut_out(&mut self, from: &str) -> bool {
        let case = Case::connection(&self.key, source(from).unwrap());
        self.with_case(case, |case, settings, now| case.is_shut_out(settings, now))
    }

    fn entry(&self, about: About) -> Option<Entry> {
        self.buckets[usize::from(index(&self.key, about))].get(about)
    }

    /// A score, in hundredths.
    fn score(&self, about: About) -> u64 {
        let score = self.entry(about).map_or(0, |entry| entry.score_at(&self.settings, self.now));
        (u64::from(score) * 100) >> 16
    }

    fn user(&self, name: &str) -> About {
        About::User(UserHash::of(&self.key, name.as_bytes()))
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.buckets.iter().flat_map(Bucket::entries)
    }
}
