//! The manual pages of this package's programs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use test_support::manual;
use tlsserver::options::Options;

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 1] = [("tlsserver", env!("CARGO_BIN_EXE_tlsserver"))];

test_support::manual_holds!("tlsserver", PROGRAMS, taken, |_| BTreeSet::new());

/// Those of its usage, and every letter that it takes.
fn taken(program: &str) -> BTreeSet<String> {
    let takes = |option: &String| {
        let line = [&format!("-{option}"), "1", "0", "25", "prog"].map(OsString::from);
        !matches!(Options::parse(line.into_iter()), Err(lexopt::Error::UnexpectedOption(_)))
    };
    let mut taken = manual::options_of(program);
    for long in taken.iter().filter(|option| option.starts_with('-')) {
        assert!(takes(long) || ["-help", "-version"].contains(&long.as_str()), "-{long}");
    }
    let letters = ('0'..='z').filter(char::is_ascii_alphanumeric).map(String::from);
    taken.extend(letters.filter(takes));
    taken
}
