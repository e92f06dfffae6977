//! One entry of the table, and its octets.
//!
//! ```text
//! kind 1, prefix length 1, digests in use 1, 0, last 4, score 4, prefix 8 and time of the
//! last good login 4 (a user's: eight digests of 12 bits), user 8
//! ```
//! Nothing in it is trusted: what cannot have been written here is no entry.

use super::keyed_hash::{Digest, UserHash};
use super::score::{ONE, faded};
use super::settings::{Limit, Settings};
use super::source::{About, Kind, Prefix};

/// Octets of an entry.
pub const ENTRY: usize = 32;
/// How many wrong secrets of a user are remembered.
const SECRETS: u8 = 8;
/// Bits of each.
const DIGEST: u32 = 12;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub about: About,
    /// Its score when it was last changed.
    pub(super) score: u32,
    /// When that was.
    pub last: u32,
    /// When the last good login was; 0 where none is meant.
    pub good: u32,
    pub(super) secrets: Secrets,
}

/// The wrong secrets of a user, the latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Secrets {
    used: u8,
    bits: u128,
}

impl Secrets {
    fn from_octets(used: u8, octets: &[u8; 12]) -> Self {
        let bits = octets.iter().fold(0, |bits, octet| bits << 8 | u128::from(*octet));
        Self { used, bits }.cut(used)
    }

    fn octets(self) -> [u8; 12] {
        let mut octets = [0; 12];
        for (place, octet) in octets.iter_mut().rev().zip(self.bits.to_le_bytes()) {
            *place = octet;
        }
        octets
    }

    /// The latest so many of them.
    fn cut(self, used: u8) -> Self {
        let used = used.min(SECRETS);
        Self { used, bits: self.bits & ((1 << (DIGEST * u32::from(used))) - 1) }
    }

    fn at(self, at: u8) -> u16 {
        (self.bits >> (DIGEST * u32::from(at)) & 0xfff) as u16
    }

    pub(super) fn contains(self, digest: Digest) -> bool {
        (0..self.used).any(|at| self.at(at) == digest.0)
    }

    /// With this one as the latest.
    pub(super) fn with(self, digest: Digest) -> Self {
        let others = (0..self.used).rev().map(|at| self.at(at)).filter(|other| *other != digest.0);
        let mut secrets = Self::default();
        for one in others.chain([digest.0]) {
            secrets.bits = secrets.bits << DIGEST | u128::from(one);
            secrets.used += 1;
        }
        secrets.cut(secrets.used)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.used == 0
    }
}

impl Entry {
    /// Of something of which nothing is known yet.
    pub(super) fn new(about: About, now: u32) -> Self {
        Self { about, score: 0, last: now, good: 0, secrets: Secrets::default() }
    }

    fn limit(&self, settings: &Settings) -> Limit {
        settings.limit(self.about.kind()).unwrap_or(Limit { count: 0, half_life: 0 })
    }

    /// Its score now, in units of a 65,536th. A time ahead of now is taken for now.
    #[must_use]
    pub fn score_at(&self, settings: &Settings, now: u32) -> u32 {
        faded(self.score, now.saturating_sub(self.last), self.limit(settings).half_life)
    }

    /// Whether one more refusal would pass the limit.
    #[must_use]
    pub fn is_at_limit(&self, settings: &Settings, now: u32) -> bool {
        is_too_much(self.score_at(settings, now), self.limit(settings))
    }

    /// Seconds until a login may be tried again; 0: now.
    #[must_use]
    pub fn seconds_to_go(&self, settings: &Settings, now: u32) -> u32 {
        let (score, limit) = (self.score_at(settings, now), self.limit(settings));
        let still = |seconds: u32| is_too_much(faded(score, seconds, limit.half_life), limit);
        let (mut from, mut to) = (0, limit.half_life.saturating_mul(32));
        while from < to {
            let middle = from + (to - from) / 2;
            if still(middle) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// The same, with its score as of now.
    pub(super) fn aged(self, settings: &Settings, now: u32) -> Self {
        Self { score: self.score_at(settings, now), last: now, good: self.good.min(now), ..self }
    }

    /// Whether it is no loss: a score that is as good as none.
    pub(super) fn says_nothing(&self) -> bool {
        self.score < ONE >> 12
            && self.secrets.is_empty()
            && !is_about_who_is_known(self.about.kind())
    }

    /// What it is worth among those that it shares places with. A user's wrong secrets
    /// are worth a refusal, lest a phone with a stale password count again.
    #[inline(always)]
    pub(super) fn worth(&self, settings: &Settings, now: u32) -> u32 {
        if is_about_who_is_known(self.about.kind()) {
            return self.good.min(now);
        }
        let secrets = if self.secrets.is_empty() { 0 } else { ONE };
        Self { score: self.score.max(secrets), ..*self }.score_at(settings, now)
    }

    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let mut octets = identity(self.about);
        let mut set = |at: usize, part: &[u8]| {
            if let Some(place) = octets.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        };
        set(LAST, &self.last.to_le_bytes());
        set(SCORE, &self.score.to_le_bytes());
        if let About::User(_) = self.about {
            set(USED, &[self.secrets.used]);
            set(PREFIX, &self.secrets.octets());
        } else {
            set(GOOD, &self.good.to_le_bytes());
        }
        octets
    }

    #[inline(always)]
    pub(super) fn decode(octets: &[u8; ENTRY]) -> Option<Self> {
        let [kind, length, used, spare, rest @ ..] = octets;
        let (last, rest) = rest.split_first_chunk()?;
        let (score, rest) = rest.split_first_chunk()?;
        let (third, rest) = rest.split_first_chunk::<12>()?;
        let (prefix, good) = third.split_first_chunk()?;
        let user = u64::from_le_bytes(rest.try_into().ok()?);
        let v6 = |length: u8| Prefix::from_octets(*prefix, length, false);
        let prefix = |v4_length: u8, v6_length: u8| match *length {
            length if length == v4_length => Prefix::from_octets(*prefix, length, true),
            length if length == v6_length => v6(length),
            _ => None,
        };
        let about = match kind {
            1 => About::Address(prefix(32, 64)?),
            2 => About::Network(prefix(24, 48)?),
            3 if *length == 32 => About::Wide(v6(32)?),
            4 if *length == 0 => About::User(UserHash(user)),
            5 => About::KnownUser(UserHash(user), prefix(24, 48)?),
            6 => About::AnybodyKnown(prefix(24, 48)?),
            _ => return None,
        };
        let mut entry = Self::new(about, u32::from_le_bytes(*last));
        entry.score = u32::from_le_bytes(*score);
        match about {
            About::User(_) if *used <= SECRETS => {
                entry.secrets = Secrets::from_octets(*used, third);
            }
            _ if *used > 0 => return None,
            _ => entry.good = u32::from_le_bytes(good.try_into().ok()?),
        }
        let has_user = about.user().is_some();
        (*spare == 0 && (has_user || user == 0)).then_some(entry)
    }
}

/// Where an entry's parts begin.
const USED: usize = 2;
const LAST: usize = 4;
const SCORE: usize = 8;
const PREFIX: usize = 12;
const GOOD: usize = 20;
const USER: usize = 24;

/// An entry of which only what it is about is filled in.
pub(super) fn identity(about: About) -> [u8; ENTRY] {
    let mut octets = [0; ENTRY];
    let mut set = |at: usize, part: &[u8]| {
        if let Some(place) = octets.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    let prefix = about.prefix();
    set(0, &[code(about.kind()), prefix.map_or(0, Prefix::length)]);
    set(PREFIX, &prefix.map_or([0; 8], Prefix::octets));
    set(USER, &about.user().map_or(0, |user| user.0).to_le_bytes());
    octets
}

/// Whether two are about the same. Asked of every entry of a bucket several times for a
/// login, so nothing is skipped: to guess wrong what comes takes longer than to compare it.
#[inline]
pub(super) fn is_about_same(one: &[u8; ENTRY], other: &[u8; ENTRY]) -> bool {
    let is_user = one.first() == Some(&code(Kind::User));
    (part::<USED>(one, 0) == part(other, 0))
        & (part::<8>(one, USER) == part(other, USER))
        & (is_user | (part::<8>(one, PREFIX) == part(other, PREFIX)))
}

#[inline]
fn part<const LENGTH: usize>(octets: &[u8; ENTRY], from: usize) -> Option<&[u8; LENGTH]> {
    octets.get(from..)?.first_chunk()
}

fn is_too_much(score: u32, limit: Limit) -> bool {
    limit.count > 0 && score > (u32::from(limit.count) - 1) << 16
}

/// A kind as the file has it.
pub(super) const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Address => 1,
        Kind::Network => 2,
        Kind::Wide => 3,
        Kind::User => 4,
        Kind::KnownUser => 5,
        Kind::AnybodyKnown => 6,
    }
}

/// Whether what is of this kind says who is known, and is no score.
pub(super) const fn is_about_who_is_known(kind: Kind) -> bool {
    matches!(kind, Kind::KnownUser | Kind::AnybodyKnown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::source::Source;

    fn abouts() -> [About; 9] {
        let [v4, v6] =
            ["192.0.2.7", "2001:db8:1:2::3"].map(|text| Source::new(text.parse().unwrap()));
        let user = UserHash(0x0123_4567_89ab_cdef);
        [
            v4.itself(),
            v4.network(),
            v4.known_user(user),
            v4.anybody_known(),
            v6.itself(),
            v6.network(),
            v6.wide().unwrap(),
            v6.anybody_known(),
            About::User(user),
        ]
    }

    #[test]
    fn entries_read_back() {
        for about in abouts() {
            let mut entry = Entry { score: 77, ..Entry::new(about, 1000) };
            match about.kind() {
                Kind::User => {
                    entry.secrets =
                        (0..8).fold(entry.secrets, |all, one| all.with(Digest(one * 511)));
                }
                _ => entry.good = 900,
            }
            let octets = entry.encode();
            assert_eq!(Entry::decode(&octets), Some(entry));
            // The spare octet, and whatever is out of bounds.
            for (at, octet) in [(0, 7), (1, 33), (3, 1)] {
                let mut odd = octets;
                odd[at] = octet;
                assert_eq!(Entry::decode(&odd), None, "{about:?} {at}");
            }
        }
        // Networks that wide are IPv6's alone.
        let wide = abouts().into_iter().find(|about| about.kind() == Kind::Wide).unwrap();
        for length in [24, 48, 255] {
            let mut odd = Entry::new(wide, 0).encode();
            odd[1] = length;
            assert_eq!(Entry::decode(&odd), None, "{length}");
        }
        assert_eq!(Entry::decode(&[0; ENTRY]), None);
        assert_eq!(Entry::decode(&[255; ENTRY]), None);
    }

    #[test]
    fn the_latest_secrets_are_remembered() {
        let mut secrets = Secrets::default();
        for one in 0..9 {
            secrets = secrets.with(Digest(one));
        }
        assert!(!secrets.contains(Digest(0)) && (1..9).all(|one| secrets.contains(Digest(one))));
        // Tried again, it is the latest.
        for one in [1, 100, 101, 102, 103, 104, 105, 106] {
            secrets = secrets.with(Digest(one));
        }
        assert!(secrets.contains(Digest(1)) && !secrets.contains(Digest(8)));
        assert_eq!(Secrets::from_octets(secrets.used, &secrets.octets()), secrets);
    }

    #[test]
    fn when_a_login_may_be_tried_again() {
        let settings = Settings::default();
        let source = Source::new("192.0.2.7".parse().unwrap());
        let entry = Entry { score: 10 * ONE, ..Entry::new(source.itself(), 0) };
        // 6 h · log2(10/9)
        assert_eq!(entry.seconds_to_go(&settings, 0), 3284);
        assert!(entry.is_at_limit(&settings, 3283) && !entry.is_at_limit(&settings, 3284));
        assert_eq!(entry.seconds_to_go(&settings, 3284), 0);
        let unlimited = Settings { address: Limit { count: 0, half_life: 60 }, ..settings };
        assert!(!entry.is_at_limit(&unlimited, 0));
        assert_eq!(entry.seconds_to_go(&unlimited, 0), 0);
    }
}
