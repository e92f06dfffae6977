//! The page: a paragraph for each question that an administrator has, the larger numbers
//! first. What there is nothing of is left out.

use super::tally::{Counts, Logins, Tally};
use proto::civil_time::CivilTime;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Lines of a paragraph at most.
const MOST: usize = 10;

/// All of it.
pub(super) fn page(tally: &Tally) -> String {
    let mut page = String::new();
    let span = match (tally.from, tally.to) {
        (Some(from), Some(to)) => format!(", {} to {}", moment(from), moment(to)),
        _ => String::new(),
    };
    let _ = writeln!(page, "{} lines{span}", tally.lines);
    if tally.foreign > 0 {
        let _ = writeln!(page, "{} of other programs", tally.foreign);
    }
    sessions(&mut page, tally);
    let total = |logins: &BTreeMap<String, Logins>| logins.values().map(|of| of.count).sum::<u64>();
    let results = [
        ("good".to_owned(), total(&tally.logged_in)),
        ("refused".to_owned(), total(&tally.refused)),
        ("connections that never tried".to_owned(), tally.without_login),
    ];
    counts(&mut page, "Logins", &results.into_iter().filter(|(_, count)| *count > 0).collect());
    people(&mut page, "Users with most logins", &tally.logged_in, |of| of.count);
    counts(&mut page, "Names tried that do not exist", &tally.unknown);
    counts(&mut page, "Addresses refused most", &tally.refused_addresses);
    counts(&mut page, "Networks refused most", &tally.refused_networks);
    let networks = |of: &Logins| of.networks.len() as u64;
    let mut slow = Vec::from_iter(tally.refused.iter().filter(|(_, of)| of.networks.len() > 1));
    slow.sort_by_key(|(_, of)| std::cmp::Reverse(networks(of)));
    lines(
        &mut page,
        "Same name refused from most networks",
        slow.into_iter()
            .map(|(user, of)| format!("{:>7}  {user}, {} refusals", networks(of), of.count)),
    );
    counts(&mut page, "TLS versions", &tally.tls_versions);
    counts(&mut page, "TLS that failed", &tally.tls);
    counts(&mut page, "Denied", &tally.denied);
    let mut trouble = Vec::from_iter(&tally.trouble);
    trouble.sort_by_key(|(_, of)| std::cmp::Reverse(of.count));
    lines(
        &mut page,
        "Trouble",
        trouble.into_iter().map(|(text, of)| {
            let times = match (of.first, of.last) {
                (Some(first), Some(last)) => format!(" ({} to {})", moment(first), moment(last)),
                _ => String::new(),
            };
            format!("{:>7}  {text}{times}", of.count)
        }),
    );
    counts(&mut page, "Processes started anew", &tally.restarts);
    let longest = tally.longest.iter();
    lines(
        &mut page,
        "Longest sessions",
        longest.map(|(seconds, who)| format!("{seconds:>7} s  {who}")),
    );
    page
}

/// Sessions of each service, and in which hours most of them began.
fn sessions(page: &mut String, tally: &Tally) {
    let services = tally.sessions.iter().map(|(service, hours)| {
        let total: u64 = hours.values().sum();
        let most = hours.iter().filter(|(hour, _)| **hour >= 0).max_by_key(|(_, count)| **count);
        let most = most.map_or_else(String::new, |(hour, count)| {
            format!(", most from {hour:02}:00 to {hour:02}:59 UTC: {count}")
        });
        format!("{total:>7}  {service}{most}")
    });
    lines(page, "Sessions by service", services);
}

fn people(page: &mut String, title: &str, of: &BTreeMap<String, Logins>, by: fn(&Logins) -> u64) {
    let mut sorted = Vec::from_iter(of);
    sorted.sort_by_key(|(_, logins)| std::cmp::Reverse(by(logins)));
    lines(
        page,
        title,
        sorted.into_iter().map(|(user, logins)| {
            let networks = logins.networks.len();
            let s = if networks == 1 { "" } else { "s" };
            format!("{:>7}  {user}, from {networks} network{s}", logins.count)
        }),
    );
}

fn counts(page: &mut String, title: &str, counts: &Counts) {
    let mut sorted = Vec::from_iter(counts);
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    lines(page, title, sorted.into_iter().map(|(what, count)| format!("{count:>7}  {what}")));
}

fn lines(page: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n{title}");
    for line in lines.iter().take(MOST) {
        let _ = writeln!(page, "{line}");
    }
    if let Some(more) = lines.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(page, "         and {more} more");
    }
}

/// A time, UTC.
fn moment(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    CivilTime::from_seconds(seconds).to_string()
}
