//! What the table withstands: floods, clocks that jump, octets of somebody else's.

use super::*;
use core::net::{IpAddr, Ipv6Addr};

/// Numbers that look like chance, and are the same each time (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Somewhere in the whole of IPv6.
    fn somewhere(&mut self) -> Source {
        let [upper, lower] = [self.next(), self.next()].map(u128::from);
        Source::new(IpAddr::V6(Ipv6Addr::from_bits(upper << 64 | lower | 1 << 125)))
    }
}

impl Table {
    fn try_from(&mut self, source: Source, user: u64, secret: u64) -> Verdict {
        let (user, secret) = (user.to_le_bytes(), secret.to_le_bytes());
        let case = Case::login(&self.key, &self.settings, Some(source), &user, &secret);
        self.with_case(case, Case::before)
    }

    fn answer(&mut self, source: Source, user: u64, secret: u64, answer: Answer) {
        match self.try_from(source, user, secret) {
            Verdict::Ask(ticket) => self.after(&ticket, answer),
            Verdict::Refuse(about) => panic!("refused: {about:?}"),
        }
    }
}

#[test]
fn d59_a_million_failures_push_out_nobody_who_matters() {
    const FLOOD: u32 = 1_000_000;
    let mut table = Table::new("known 30d");
    let mut chance = Chance(59);
    let known: Vec<_> = (0..5_000).map(|user| (chance.somewhere(), user)).collect();
    for (source, user) in &known {
        table.answer(*source, *user, 0, Answer::Good);
    }
    let guessers: Vec<_> = (0..1_000).map(|_| chance.somewhere()).collect();
    for source in &guessers {
        for guess in 0..9 {
            table.answer(*source, chance.next(), guess, Answer::Refused);
        }
    }
    let of_alice = table.user("alice");
    let mut phone = chance.somewhere();
    for at in 0..FLOOD {
        // Under way, it counts.
        assert!(matches!(table.try_from(chance.somewhere(), chance.next(), 0), Verdict::Ask(_)));
        table.now += u32::from(at % (FLOOD / (6 * HOUR)) == 0);
        // A phone with a stale password polls every five minutes.
        if at % (FLOOD / 72) == 0 {
            phone = source("198.51.100.1").unwrap();
            let case = Case::login(&table.key, &table.settings, Some(phone), b"alice", b"stale");
            if let Verdict::Ask(ticket) = table.with_case(case, Case::before) {
                table.after(&ticket, Answer::Refused);
            }
        }
    }
    let still = |source: &&Source| table.entry(source.itself()).is_some();
    assert_eq!(guessers.iter().filter(still).count(), 1_000);
    let pair = |source: &Source, user: u64| {
        source.known_user(UserHash::of(&table.key, &user.to_le_bytes()))
    };
    let still = |(source, user): &&(Source, u64)| table.entry(pair(source, *user)).is_some();
    let known = known.iter().filter(still).count();
    assert!(known >= 4_990, "{known} of 5000 who are known");
    assert!(table.score(of_alice) <= 100, "her phone's stale password counted again");
    assert!(table.score(phone.itself()) <= 100);
}

#[test]
fn d59_a_clock_that_jumps() {
    fn guess(secret: &str) -> Try<'_> {
        Try { from: "192.0.2.7", user: "alice", secret }
    }
    let shut_out = |table: &mut Table| {
        for at in 0..10 {
            table.log_in(guess(&std::format!("{} {at}", table.now)));
        }
        assert!(table.is_shut_out("192.0.2.7"));
    };
    let mut table = Table::new("");
    // Set a year ahead, and back: whoever was at his limit then is heard again as soon
    // as if nothing had been.
    table.now += 365 * DAY;
    shut_out(&mut table);
    table.now -= 365 * DAY;
    assert!(!table.is_shut_out("192.0.2.7"), "the monitor sets it right");
    assert!(matches!(table.log_in(guess("right")), Heard::Later(_)));
    assert!(table.is_shut_out("192.0.2.7"));
    table.now += 55 * MINUTE;
    assert_eq!(table.log_in(guess("right")), Heard::Good);
    // Set ahead only: all is forgotten, nothing worse.
    let mut table = Table::new("");
    shut_out(&mut table);
    table.now += 365 * DAY;
    assert!(!table.is_shut_out("192.0.2.7"));
    assert_eq!(table.log_in(guess("right")), Heard::Good);
    // The end of its time.
    let mut table = Table::new("");
    table.now = u32::MAX;
    shut_out(&mut table);
}

#[test]
fn d59_no_octet_of_user_or_secret_is_kept() {
    let mut table = Table::new("");
    let (user, secret) = ("wellingtonia", "sequoiadendron");
    for from in ["192.0.2.7", "2001:db8::1", "192.0.2.7"] {
        table.log_in(Try { from, user, secret });
        table.log_in(Try { from, user, secret: "right" });
    }
    let octets: Vec<u8> = table.buckets.iter().flat_map(|bucket| bucket.0).collect();
    for text in [user, secret] {
        for part in text.as_bytes().windows(4) {
            assert!(octets.windows(4).all(|octets| octets != part), "{text}");
        }
    }
}

#[test]
fn d59_whatever_is_in_a_bucket_is_bounded() {
    let mut chance = Chance(1);
    for _ in 0..200 {
        let mut bucket = Bucket::empty();
        for octet in &mut bucket.0 {
            // Kinds and lengths that there are, more often than by chance.
            let one = chance.next();
            *octet = if one & 0x300 == 0 { one as u8 } else { (one % 65) as u8 };
        }
        let settings = Settings::default();
        for entry in bucket.entries() {
            for now in [0, 1, u32::MAX] {
                let _ = (entry.score_at(&settings, now), entry.seconds_to_go(&settings, now));
            }
            assert_eq!(bucket.get(entry.about).map(|found| found.about), Some(entry.about));
        }
    }
}

/// How many buckets are read before this user's login from 2001:db8::1 is decided.
fn buckets_read(table: &mut Table, user: &str) -> usize {
    let from = source("2001:db8::1");
    let mut case = Case::login(&table.key, &table.settings, from, user.as_bytes(), b"x");
    let mut read = 0;
    while let Some(place) = case.unread() {
        let at = usize::try_from(place.offset()).unwrap() - HEADER;
        *place.octets_mut() = table.buckets[at / BUCKET].0;
        read += 1;
    }
    read
}

#[test]
fn whether_a_user_is_known_is_read_only_where_anybody_is() {
    let mut table = Table::new("");
    assert_eq!(buckets_read(&mut table, "alice"), 3);
    table.log_in(Try { from: "2001:db8::2", user: "bob", secret: "right" });
    assert_eq!(buckets_read(&mut table, "alice"), 4);
    // Also where others may have pushed out that anybody is.
    let mut table = Table::new("");
    let network = source("2001:db8::1").unwrap().network();
    let of_others =
        (1..=12).map(|other| source(&std::format!("192.0.{other}.1")).unwrap().anybody_known());
    for (at, about) in of_others.enumerate() {
        assert_eq!(buckets_read(&mut table, "alice"), 3, "{at}");
        let bucket = &mut table.buckets[usize::from(index(&table.key, network))];
        bucket.put(None, &Entry { good: 1, ..Entry::new(about, 1) }, &table.settings, 1).unwrap();
    }
    assert_eq!(buckets_read(&mut table, "alice"), 4);
}

#[test]
fn what_has_made_room_for_its_neighbour_is_looked_for_again() {
    let mut table = Table::new("");
    let home = source("2001:db8:0:ff::1").unwrap();
    let address = |host: u16| source(&std::format!("2001:db8:0:{host:x}::1")).unwrap().itself();
    let bucket = &mut table.buckets[usize::from(index(&table.key, home.network()))];
    for (about, score) in (0..19).map(|host| (address(host), 5)).chain([(home.network(), 2)]) {
        let entry = Entry { score: score << 16, ..Entry::new(about, table.now) };
        bucket.put(None, &entry, &table.settings, table.now).unwrap();
    }
    // The address takes the place of its network, and this takes its, as it is worth least.
    let before = table.before(Try { from: "2001:db8:0:ff::1", user: "alice", secret: "x" });
    assert!(matches!(before, Verdict::Ask(_)));
    assert_eq!((table.score(home.itself()), table.score(home.network())), (0, 100));
}
