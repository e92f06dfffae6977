//! `acceptutils report`: what was logged, on one page, for people and for cron.
//!
//! Lines are taken apart by [`time`] and [`line`], understood by [`event`] and counted by
//! [`tally`].

mod event;
mod line;
mod page;
mod tally;
mod time;

use crate::outcome::{Error, Outcome, named, print_line, say};
use clap::Args;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tally::Tally;
use time::{DAY, day};

/// Summarize the log on one page
///
/// Reads files of multilog, svlogd, s6-log or syslog, or the output of journalctl, and prints who
/// logged in, who was refused and from where, and what went wrong.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Log files [default: standard input]
    files: Vec<PathBuf>,
    /// Ignore older lines: today, yesterday, a date such as 2026-11-26, hours such as 12h
    /// or days such as 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Octets of a line that are read; ours are shorter.
const LONGEST: u64 = 64 * 1024;

/// Reads, counts, prints.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let since = options.since.as_deref().map(|said| since(said, now)).transpose()?;
    let mut tally = Tally::new(since, now);
    let stdin = [PathBuf::from("-")];
    let files = if options.files.is_empty() { &stdin[..] } else { &options.files };
    for path in files {
        if named(Some(path)).is_none() {
            let stdin = Path::new("standard input");
            read(std::io::stdin().lock(), None, &mut tally)
                .map_err(|error| Error::read(stdin, error))?;
            continue;
        }
        let file = std::fs::File::open(path).map_err(|error| Error::read(path, error))?;
        read(file, service(path), &mut tally).map_err(|error| Error::read(path, error))?;
    }
    if options.json {
        let text = serde_json::to_string_pretty(&tally);
        print_line(&text.map_err(|error| Error::new(error.to_string()))?);
    } else {
        print_line(page::page(&tally).trim_end());
    }
    if tally.is_all_foreign() {
        say(&"nothing of these programs in it");
        return Ok(Outcome::Warnings);
    }
    Ok(Outcome::Clean)
}

fn read(input: impl Read, service: Option<&str>, tally: &mut Tally) -> std::io::Result<()> {
    let mut input = BufReader::new(input);
    let mut octets = Vec::new();
    loop {
        octets.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut octets)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&octets);
        tally.count(service, text.trim_end_matches(['\n', '\r']));
    }
}

/// The service whose log this is: the folder's name, as in
/// `/var/log/acceptutils/submission/current`.
fn service(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let is_logger_s = name == "current" || name.starts_with(['@', '_']);
    path.parent()?.file_name()?.to_str().filter(|_| is_logger_s)
}

fn since(said: &str, now: i64) -> Result<i64, Error> {
    const HOUR: i64 = 60 * 60;
    let today = now - now.rem_euclid(DAY);
    let ago = |unit: char| said.strip_suffix(unit)?.parse::<u32>().ok().map(i64::from);
    match said {
        "today" => return Ok(today),
        "yesterday" => return Ok(today - DAY),
        _ => {}
    }
    if let Some(day) = day(said) {
        return Ok(day * DAY);
    }
    let time = ago('h').map(|hours| now - hours * HOUR);
    time.or_else(|| ago('d').map(|days| now - days * DAY)).ok_or_else(|| {
        let said = said.escape_default();
        Error::new(format!("--since {said}: not today, yesterday, 2026-11-26, 12h or 7d"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when() {
        let now = 1_795_676_400 + 5;
        let midnight = 1_795_651_200;
        for (said, time) in [
            ("today", midnight),
            ("yesterday", midnight - 86_400),
            ("2026-11-26", midnight),
            ("2h", now - 7200),
            ("1d", now - 86_400),
        ] {
            assert_eq!(since(said, now).unwrap(), time, "{said}");
        }
        for said in ["soon", "2026-02-30", "2026-11-31", "2026-13-01"] {
            assert!(since(said, now).is_err(), "{said}");
        }
    }

    #[test]
    fn which_service() {
        let of = |path| service(Path::new(path));
        assert_eq!(of("/var/log/acceptutils/pop3/current"), Some("pop3"));
        assert_eq!(of("/var/log/acceptutils/pop3/@400000006b07d8fa00000000.s"), Some("pop3"));
        assert_eq!(of("/tmp/log"), None);
    }
}
