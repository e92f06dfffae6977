//! A line of a log file: when it was written, by which service, and what it says. Knows
//! what multilog, svlogd, s6-log and the journal put before a program's own words.

/// A line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Seconds since 1970, where a time stands before it.
    pub(super) time: Option<i64>,
    /// The service, where the journal says it.
    pub(super) service: Option<&'a str>,
    /// What a program said.
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Takes it apart.
    pub(super) fn parse(line: &'a str) -> Self {
        let bare = Self { time: None, service: None, text: line };
        let Some((first, rest)) = line.split_once(' ') else { return bare };
        if let Some(time) = tai64n(first).or_else(|| svlogd(first)) {
            // s6-log can be told to write both of its own.
            let text = date_and_time(rest).map_or(rest, |(_, text)| text);
            return Self { time: Some(time), service: None, text };
        }
        if let Some((time, text)) = date_and_time(line) {
            return Self { time: Some(time), service: None, text };
        }
        let Some(time) = iso(first) else { return bare };
        // HOST IDENTIFIER[PID]: TEXT
        let Some((_, rest)) = rest.split_once(' ') else { return bare };
        let Some((identifier, text)) = rest.split_once(": ") else { return bare };
        let name = identifier.split('[').next().unwrap_or(identifier);
        Self { time: Some(time), service: name.strip_prefix("acceptutils-"), text }
    }
}

/// `@` and TAI64N, by multilog and s6-log.
fn tai64n(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('@')?.get(..16)?;
    let seconds = u64::from_str_radix(digits, 16).ok()?;
    // daemontools' clock: ten seconds ahead of UTC, whatever leap seconds there were.
    i64::try_from(seconds.checked_sub((1 << 62) + 10)?).ok()
}

/// `2026-11-26_07:00:00.12345`, UTC.
fn svlogd(word: &str) -> Option<i64> {
    let (date, time) = word.split_once('_')?;
    Some(days(date)? * DAY + seconds(time.split('.').next()?)?)
}

/// `2026-11-26 07:00:00.123456789`, by s6-log, and what stands behind it and two spaces. It
/// says no zone; this takes it for UTC.
fn date_and_time(line: &str) -> Option<(i64, &str)> {
    let (date, rest) = line.split_once(' ')?;
    let (time, text) = rest.split_once(' ')?;
    let time = days(date)? * DAY + seconds(time.split('.').next()?)?;
    Some((time, text.strip_prefix(' ').unwrap_or(text)))
}

/// `2026-11-26T07:00:00+0100`, as `journalctl -o short-iso` has it.
fn iso(word: &str) -> Option<i64> {
    let (date, rest) = word.split_once('T')?;
    let time = seconds(rest.get(..8)?)?;
    let zone =
        rest.get(8..)?.trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    Some(days(date)? * DAY + time - offset(zone)?)
}

const DAY: i64 = 24 * 60 * 60;

fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None | Some(b'Z') => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..4)?);
    Some(sign * (hours * 3600 + minutes.parse::<i64>().ok()? * 60))
}

fn seconds(time: &str) -> Option<i64> {
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    Some(parts.next()?? * 3600 + parts.next()?? * 60 + parts.next()??)
}

/// Days since 1970 of a date `2026-11-26`.
pub(super) fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the odd day comes last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(of_years + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_services() {
        let time = 1_795_676_400;
        for (line, service) in [
            ("@400000006b07d8fa00000000 x y", None),
            ("2026-11-26_07:00:00.00000 x y", None),
            ("2026-11-26 07:00:00.833450660  x y", None),
            ("@400000006b07d8fa00000000 2026-11-26 08:00:00.118967140  x y", None),
            ("2026-11-26T07:00:00+0000 host acceptutils-pop3[12]: x y", Some("pop3")),
            ("2026-11-26T08:00:00+01:00 host acceptutils-pop3[12]: x y", Some("pop3")),
            ("2026-11-26T07:00:00.5Z host other[12]: x y", None),
        ] {
            let expected = Line { time: Some(time), service, text: "x y" };
            assert_eq!(Line::parse(line), expected, "{line}");
        }
        for line in ["authup 12 x", "x", "", "@zz y", "2026-13-01_00:00:00 x", "2026-11-26 x y"] {
            assert_eq!(Line::parse(line), Line { time: None, service: None, text: line });
        }
        assert_eq!((days("1970-01-01"), days("2000-03-01")), (Some(0), Some(11_017)));
    }
}
