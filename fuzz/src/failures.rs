//! The memory of refused logins (`proto::failures`): whatever is in its file and in
//! `control/loginfailures`, a login is decided within bounds; what is charged is taken
//! back; a good login makes its user known; and nothing is remembered that cannot be read.

use crate::choices::Choices;
use proto::failures::bucket::{BUCKET, Bucket};
use proto::failures::header::{HEADER, Header};
use proto::failures::keyed_hash::Key;
use proto::failures::{About, Answer, Case, Settings, Source, UserHash, Verdict};
use std::net::IpAddr;

const KEY: Key = Key([59; 16]);

/// How the clock stands, whence and with what; a user; the control file; then the
/// octets of every bucket, over and over.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let now = choices.one_of(&[0, 1, 1_000_000, u32::MAX - 1, u32::MAX]);
    let address = [
        IpAddr::from([192, 0, 2, 7]),
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
        IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x207]),
    ];
    let address = choices.one_of(&address);
    let answer = choices.one_of(&[Answer::Good, Answer::Refused, Answer::Trouble]);
    let user = choices.part();
    let said = Settings::parse(choices.part());
    if let Ok(settings) = &said {
        let times = [settings.known, settings.address.half_life, settings.user.half_life];
        assert!(times.iter().all(|&time| time > 0) && settings.file.starts_with(b"/"));
    }
    let settings = said.unwrap_or_default();
    let mut bucket = Bucket::empty();
    for (place, octet) in bucket.0.iter_mut().zip(choices.rest().iter().cycle()) {
        *place = *octet;
    }
    entries(&bucket, &settings, now);
    header(choices.rest());
    login(&bucket, &settings, now, (Source::new(address), user, answer));
}

fn entries(bucket: &Bucket, settings: &Settings, now: u32) {
    let mut all = 0;
    for entry in bucket.entries() {
        all += 1;
        let found = bucket.get(entry.about).expect("listed, and not to be found");
        assert_eq!(found.about, entry.about);
        assert!(entry.is_at_limit(settings, now) == (entry.seconds_to_go(settings, now) > 0));
    }
    assert!(all <= 32);
    let mut rest = bucket.clone();
    assert!(rest.clear(|_| true) <= all);
    assert!(rest.entries().all(|entry| entry.score_at(settings, now) == 0));
}

fn header(octets: &[u8]) {
    if let Some(octets) = octets.first_chunk::<HEADER>()
        && let Some(header) = Header::decode(octets)
    {
        assert_eq!(header.encode(), *octets);
    }
}

/// A table of one bucket's octets everywhere, but for what has been written.
struct Table<'a> {
    of_old: &'a Bucket,
    written: Vec<(u64, [u8; BUCKET])>,
}

impl Table<'_> {
    fn with<T>(&mut self, case: &mut Case, act: impl FnOnce(&mut Case) -> T) -> T {
        while let Some(place) = case.unread() {
            let offset = place.offset();
            let found = self.written.iter().find(|(at, _)| *at == offset);
            *place.octets_mut() = found.map_or(self.of_old.0, |(_, octets)| *octets);
        }
        let done = act(case);
        for (offset, octets) in case.changed() {
            let at = (offset - HEADER as u64) % BUCKET as u64;
            let begin = offset - at;
            let found = self.written.iter().position(|(one, _)| *one == begin);
            let found = found.unwrap_or_else(|| {
                self.written.push((begin, self.of_old.0));
                self.written.len() - 1
            });
            self.written[found].1[at as usize..][..octets.len()].copy_from_slice(octets);
        }
        done
    }
}

fn login(
    bucket: &Bucket,
    settings: &Settings,
    now: u32,
    (source, user, answer): (Source, &[u8], Answer),
) {
    let mut table = Table { of_old: bucket, written: Vec::new() };
    let wanted = |secret: &[u8]| Case::login(&KEY, settings, Some(source), user, secret);
    let verdict = table.with(&mut wanted(b"x"), |case| case.before(settings, now));
    let Verdict::Ask(ticket) = verdict else { return };
    assert!(ticket.is_of(&KEY));
    table.with(&mut Case::answered(&ticket), |case| case.after(&ticket, answer, settings, now));
    match answer {
        Answer::Good if !settings.exempts(source.address()) => {
            let mut case = Case::connection(&KEY, source);
            assert!(!table.with(&mut case, |case| case.is_shut_out(settings, now)));
            let known = UserHash::of(&KEY, user);
            let pairs = table
                .written
                .iter()
                .flat_map(|(_, octets)| Bucket(*octets).entries().collect::<Vec<_>>());
            let is_known =
                |about: About| matches!(about, About::KnownUser(user, _) if user == known);
            assert!(pairs.filter(|entry| is_known(entry.about)).any(|entry| entry.good == now));
        }
        Answer::Refused => {
            // The same again is the same, and free.
            let again = table.with(&mut wanted(b"x"), |case| case.before(settings, now));
            assert!(
                !matches!(&again, Verdict::Ask(ticket) if ticket.clone().not_charged() != *ticket)
            );
        }
        _ => {}
    }
}
