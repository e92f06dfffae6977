//! A moment as a mail header writes it, in UTC (RFC 5322, section 3.3), and which day a date is.
//!
//! Our own, as the one thing needed of a date library, which would cost more to
//! start than the whole program that uses it.

use core::fmt;

/// Months, as mail headers and logs name them.
pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in UTC, by the Gregorian calendar. Shown as `2 Jan 2006 15:04:05 -0000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    year: u64,
    /// From 0.
    month: usize,
    /// From 1.
    day: u64,
    /// Since midnight.
    seconds: u64,
}

impl CivilTime {
    /// From seconds since 1 January 1970, leap seconds not counted.
    #[must_use]
    pub fn from_seconds(seconds: u64) -> Self {
        let (mut day, mut year) = (seconds / 86_400, 1970);
        // 400 years are always the same number of days; the loops below are short then.
        year += day / 146_097 * 400;
        day %= 146_097;
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let mut month = 0;
        while day >= days_of_month(year, month) {
            day -= days_of_month(year, month);
            month += 1;
        }
        Self { year, month, day: day + 1, seconds: seconds % 86_400 }
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, seconds } = self;
        let month = MONTHS.get(*month).copied().unwrap_or_default();
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{day} {month} {year} {hour:02}:{minute:02}:{second:02} -0000")
    }
}

/// The day that a date is, counted from 1 January 1970, where there is such a date from then to
/// the year 9999. Month and day count from 1.
#[must_use]
pub fn day_of_date(year: u64, month: u64, day: u64) -> Option<u64> {
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    let is_year = (1970..=9999).contains(&year);
    if !is_year || index >= MONTHS.len() || !(1..=days_of_month(year, index)).contains(&day) {
        return None;
    }
    // Years begin in March, so that the odd day comes last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    (of_years + (month * 153 + 2) / 5 + day - 1).checked_sub(719_468)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn moments() {
        for (seconds, shown) in [
            (0, "1 Jan 1970 00:00:00 -0000"),
            (951_782_399, "28 Feb 2000 23:59:59 -0000"),
            (951_782_400, "29 Feb 2000 00:00:00 -0000"),
            (951_868_800, "1 Mar 2000 00:00:00 -0000"),
            (1_136_214_245, "2 Jan 2006 15:04:05 -0000"),
            (4_102_444_800, "1 Jan 2100 00:00:00 -0000"),
            (4_107_542_400, "1 Mar 2100 00:00:00 -0000"),
            (13_574_563_200, "29 Feb 2400 00:00:00 -0000"),
        ] {
            assert_eq!(CivilTime::from_seconds(seconds).to_string(), shown);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut before = CivilTime::from_seconds(0);
        for day in 1..200_000 {
            let now = CivilTime::from_seconds(day * 86_400);
            let next_month = now.day == 1
                && before.day == days_of_month(before.year, before.month)
                && (now.year * 12 + now.month as u64) == before.year * 12 + before.month as u64 + 1;
            let same_month =
                (now.year, now.month, now.day) == (before.year, before.month, before.day + 1);
            assert!(same_month || next_month, "{before:?} {now:?}");
            assert_eq!(day_of_date(now.year, now.month as u64 + 1, now.day), Some(day));
            before = now;
        }
    }

    #[test]
    fn no_date_that_there_is_not() {
        assert_eq!(day_of_date(1970, 1, 1), Some(0));
        for (year, month, day) in [
            (1969, 12, 31),
            (10_000, 1, 1),
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (2026, 1, 32),
            (2026, 2, 29),
            (2100, 2, 29),
            (2028, 2, 30),
            (2026, 11, 31),
        ] {
            assert_eq!(day_of_date(year, month, day), None, "{year} {month} {day}");
        }
    }
}
