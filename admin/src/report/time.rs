//! Times as loggers put them before a line: multilog, svlogd, s6-log, the journal and syslog's
//! daemons. What stands behind them is [`line`](super::line)'s.

use proto::civil_time::{MONTHS, day_of_date};

/// In seconds.
pub(super) const DAY: i64 = 24 * 60 * 60;

/// A time before a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp<'a> {
    /// Seconds since 1970.
    pub(super) time: i64,
    /// What stands behind it.
    pub(super) rest: &'a str,
    /// Whether that begins with the host and who wrote it.
    pub(super) is_syslogs: bool,
}

impl<'a> Stamp<'a> {
    /// Reads the time that the line begins with; `now` is for those that do not say the year.
    pub(super) fn read(line: &'a str, now: i64) -> Option<Self> {
        let (first, rest) = line.split_once(' ')?;
        if let Some(time) = tai64n(first) {
            // s6-log can be told to write both of its own.
            let rest = date_and_time(rest).map_or(rest, |(_, rest)| rest);
            return Some(Self { time, rest, is_syslogs: false });
        }
        if let Some((time, is_syslogs)) = one_word(first) {
            return Some(Self { time, rest, is_syslogs });
        }
        if let Some((time, rest)) = date_and_time(line) {
            return Some(Self { time, rest, is_syslogs: false });
        }
        let (time, rest) = without_year(line, now)?;
        Some(Self { time, rest, is_syslogs: true })
    }
}

/// `@` and TAI64N, by multilog, svlogd -t and s6-log t.
fn tai64n(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('@')?.get(..16)?;
    let seconds = u64::from_str_radix(digits, 16).ok()?;
    // daemontools' and runit's clock: ten seconds ahead of UTC, whatever leap seconds there were.
    // s6-log counts those, and cannot be told from the others.
    i64::try_from(seconds.checked_sub((1 << 62) + 10)?).ok()
}

/// `2026-11-26_07:00:00.12345` and `2026-11-26T07:00:00.12345`, UTC, by svlogd -tt and -ttt; with
/// a zone by the journal and rsyslog. Also says whether there is one.
fn one_word(word: &str) -> Option<(i64, bool)> {
    let (date, rest) = word.split_once(['_', 'T'])?;
    let (time, zone) = clock(rest)?;
    Some((day(date)? * DAY + time - offset(zone)?, !zone.is_empty()))
}

/// `2026-11-26 07:00:00.123456789`, by s6-log T and tai64nlocal, and what stands behind it and
/// one or two spaces. It says no zone; this takes it for UTC.
fn date_and_time(line: &str) -> Option<(i64, &str)> {
    let (date, rest) = line.split_once(' ')?;
    let (time, rest) = clock(rest)?;
    let rest = rest.strip_prefix(' ')?;
    Some((day(date)? * DAY + time, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// `Nov 26 07:00:00` and `Nov 26 07:00:00.123456`, as `journalctl -o short` and `short-precise`
/// show it and syslog's daemons write it to files, and what stands behind it. It says no zone and
/// no year; this takes it for UTC, and for the last time that there was such a moment.
fn without_year(line: &str, now: i64) -> Option<(i64, &str)> {
    let (name, rest) = line.split_once(' ')?;
    let month = (1..).zip(MONTHS).find_map(|(month, is)| (is == name).then_some(month))?;
    // From 1 to 9 it is preceded by another space.
    let (day, rest) = rest.strip_prefix(' ').unwrap_or(rest).split_once(' ')?;
    let (time, rest) = clock(rest)?;
    // A day more, for zones.
    let (day, latest) = (number(day)?, now + DAY);
    // Leap days have it be early with the next year. One of them may be eight years ago.
    let year = u64::try_from(now / DAY).ok()? / 365 + 1970;
    let time = (year.saturating_sub(9)..=year).rev().find_map(|year| {
        let time = i64::try_from(day_of_date(year, month, day)?).ok()? * DAY + time;
        (time <= latest).then_some(time)
    })?;
    Some((time, rest.strip_prefix(' ')?))
}

/// `07:00:00`, with or without a fraction, in seconds; and what stands behind it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (time, rest) = text.split_at_checked(8)?;
    let mut parts = time.split(':').map(|part| number(part).filter(|_| part.len() == 2));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let is_digit = |letter: char| letter.is_ascii_digit();
    let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(is_digit));
    Some((i64::try_from(hours * 3600 + minutes * 60 + seconds).ok()?, rest))
}

/// Seconds that a zone is ahead of UTC: none, `Z`, `+0100` or `+01:00`.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') => return (zone.len() == 1).then_some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let digits = zone.get(1..)?.replacen(':', "", 1);
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| digits.len() == 4)?;
    Some(sign * i64::try_from(number(hours)? * 3600 + number(minutes)? * 60).ok()?)
}

/// Days since 1970 of a date `2026-11-26`.
pub(super) fn day(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(number);
    let day = day_of_date(parts.next()??, parts.next()??, parts.next()??)?;
    i64::try_from(day).ok().filter(|_| parts.next().is_none())
}

/// Digits, and nothing else.
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 26 November 2026, 07:00.
    const TIME: i64 = 1_795_676_400;

    #[test]
    fn all_that_loggers_write() {
        for (line, is_syslogs) in [
            ("@400000006b07d8fa00000000 x y", false),
            ("@400000006b07d8fa00000000 2026-11-26 08:00:00.118967140  x y", false),
            ("2026-11-26_07:00:00.00000 x y", false),
            ("2026-11-26T07:00:00.81537 x y", false),
            ("2026-11-26 07:00:00.833450660  x y", false),
            ("2026-11-26 07:00:00.833450660 x y", false),
            ("2026-11-26T07:00:00+0000 x y", true),
            ("2026-11-26T08:00:00.815370+0100 x y", true),
            ("2026-11-26T08:00:00.815370+01:00 x y", true),
            ("2026-11-26T02:30:00-04:30 x y", true),
            ("2026-11-26T07:00:00.5Z x y", true),
            ("Nov 26 07:00:00 x y", true),
            ("Nov 26 07:00:00.815370 x y", true),
        ] {
            let expected = Stamp { time: TIME, rest: "x y", is_syslogs };
            assert_eq!(Stamp::read(line, TIME), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_none() {
        for line in [
            "x",
            "",
            "@zz y",
            "2026-11-26 x y",
            "2026-13-01_00:00:00 x",
            "2026-02-30T00:00:00 x",
            "2026-11-26T24:00:00 x",
            "2026-11-26T07:60:00 x",
            "2026-11-26T+7:00:00 x",
            "2026-11-26T07:00:00CET x",
            "2026-11-26T07:00:00+1 x",
            "99999999999999999999-11-26T07:00:00 x",
            "Nov 31 07:00:00 x",
            "Nov 26 07:00:00x",
            "November 26 07:00:00 x",
        ] {
            assert_eq!(Stamp::read(line, TIME), None, "{line}");
        }
    }

    /// The last time that there was such a moment, or tomorrow, in a zone ahead of UTC.
    #[test]
    fn the_year_that_is_not_said() {
        let day = |date| day(date).unwrap() * DAY;
        for (now, line, date) in [
            ("2026-11-26", "Nov 26 00:00:00 x", "2026-11-26"),
            ("2026-11-26", "Nov 27 00:00:00 x", "2026-11-27"),
            ("2026-11-26", "Nov 28 00:00:00 x", "2025-11-28"),
            ("2026-12-31", "Jan  1 00:00:00 x", "2027-01-01"),
            ("2027-01-01", "Dec 31 00:00:00 x", "2026-12-31"),
            ("2027-01-01", "Feb 29 00:00:00 x", "2024-02-29"),
            ("2104-02-27", "Feb 29 00:00:00 x", "2096-02-29"),
        ] {
            let read = Stamp::read(line, day(now)).map(|stamp| stamp.time);
            assert_eq!(read, Some(day(date)), "{line} on {now}");
        }
    }
}
