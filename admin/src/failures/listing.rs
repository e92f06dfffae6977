//! What is remembered, as a table or as JSON: the highest scores first.

use super::{Options, Wrong, entries, limit, names};
use crate::outcome::{Error, Outcome, print_line};
use proto::failures::entry::Entry;
use proto::failures::{About, Kind, Settings, UserHash};
use serde::Serialize;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use unix::failures::file::File;

/// Names by their hashes.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn add(&mut self, user: UserHash, name: String) {
        self.0.entry(user.to_string()).or_insert(name);
    }

    /// The name, or else the hash.
    fn of(&self, user: UserHash) -> String {
        let hash = user.to_string();
        self.0.get(&hash).cloned().unwrap_or(hash)
    }
}

/// One score.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    network: Option<String>,
    user: Option<String>,
    score: f64,
    /// 0: none.
    limit: u16,
    /// Whether a login would be refused unasked now.
    refused: bool,
    /// Seconds until one would not be.
    seconds_to_go: u32,
    /// Seconds since it was counted last.
    last_seconds_ago: u32,
    /// Seconds since the user's last good login from there.
    good_seconds_ago: Option<u32>,
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Address => "address",
        Kind::Network => "network",
        Kind::Wide => "wide",
        Kind::User => "user",
        Kind::KnownUser => "known",
        Kind::AnybodyKnown => "anybody",
    }
}

impl Row {
    fn new(entry: &Entry, settings: &Settings, now: u32, names: &Names) -> Self {
        let score = f64::from(entry.score_at(settings, now)) / 65536.0;
        Self {
            kind: kind(entry.about.kind()),
            network: entry.about.prefix().map(|prefix| prefix.to_string()),
            user: entry.about.user().map(|user| names.of(user)),
            score: (score * 100.0).round() / 100.0,
            limit: limit(settings, entry),
            refused: entry.is_at_limit(settings, now),
            seconds_to_go: entry.seconds_to_go(settings, now),
            last_seconds_ago: now.saturating_sub(entry.last),
            good_seconds_ago: matches!(entry.about, About::KnownUser(..))
                .then(|| now.saturating_sub(entry.good)),
        }
    }

    /// How near it is to its limit; without one, not at all.
    fn share(&self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.score / f64::from(self.limit) }
    }

    /// As a line for people.
    fn shown(&self) -> String {
        let who = match (&self.user, &self.network) {
            (Some(user), Some(network)) => format!("{user} from {network}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => String::new(),
        };
        let limit = if self.limit == 0 { "no limit".into() } else { format!("of {}", self.limit) };
        let state = match (self.refused, self.good_seconds_ago) {
            (true, _) => format!("refused for another {}", time(self.seconds_to_go)),
            (false, Some(ago)) => format!("logged in {} ago", time(ago)),
            (false, None) => format!("last {} ago", time(self.last_seconds_ago)),
        };
        format!("{:<8} {who:<32} {:>6.1} {limit}, {state}", self.kind, self.score)
    }
}

/// Roughly, in two units at most.
fn time(seconds: u32) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Shows it.
pub(super) fn show(
    options: &Options,
    home: &Path,
    settings: &Settings,
    file: &File,
) -> Result<Outcome, Wrong> {
    let names = names(home, file, options.user.as_deref());
    let now = file.now();
    let asked = options.user.as_ref().map(|name| UserHash::of(file.key(), name.as_bytes()));
    let is_wanted = |entry: &Entry| match asked {
        Some(user) => entry.about.user() == Some(user),
        // Less than a hundredth is nothing to anybody.
        None => entry.score_at(settings, now) >= 656,
    };
    let found = entries(file)?.into_iter().filter(is_wanted);
    let mut rows: Vec<_> = found.map(|entry| Row::new(&entry, settings, now, &names)).collect();
    rows.sort_by(|one, other| other.share().total_cmp(&one.share()));
    if options.json {
        let text = serde_json::to_string_pretty(&rows);
        print_line(&text.map_err(|error| Wrong::Said(Error::new(error.to_string())))?);
    } else if rows.is_empty() {
        print_line("nothing is remembered");
    } else {
        rows.iter().for_each(|row| print_line(&row.shown()));
    }
    Ok(Outcome::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        for (seconds, shown) in
            [(5, "5 s"), (3284, "54 min"), (3600, "1 h 0 min"), (100_000, "1 d 3 h")]
        {
            assert_eq!(time(seconds), shown);
        }
    }

    #[test]
    fn what_has_no_limit_is_not_near_it() {
        let row = |score, limit| Row {
            kind: "user",
            network: None,
            user: None,
            score,
            limit,
            refused: false,
            seconds_to_go: 0,
            last_seconds_ago: 0,
            good_seconds_ago: None,
        };
        assert!(row(50.0, 0).share() < row(0.1, 10).share());
        assert!(row(5.0, 10).share() < row(4.0, 5).share());
    }
}
