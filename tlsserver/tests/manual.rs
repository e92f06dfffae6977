//! The manual pages of this package's programs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use test_support::manual::{self, page::Page};
use tlsserver::options::Options;

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 1] = [("tlsserver", env!("CARGO_BIN_EXE_tlsserver"))];

#[test]
fn every_name_in_the_code_is_in_the_page_and_back() {
    manual::holds_names("tlsserver");
}

#[test]
fn every_text_in_the_code_is_in_a_page() {
    manual::holds_texts("tlsserver");
}

/// Those of its usage, and every letter that it takes.
#[test]
fn every_option_is_in_the_page_and_back() {
    let takes = |option: &String| {
        let line = [&format!("-{option}"), "1", "0", "25", "prog"].map(OsString::from);
        !matches!(Options::parse(line.into_iter()), Err(lexopt::Error::UnexpectedOption(_)))
    };
    let mut taken = manual::options_of(PROGRAMS[0].1);
    for long in taken.iter().filter(|option| option.starts_with('-')) {
        assert!(takes(long) || ["-help", "-version"].contains(&long.as_str()), "-{long}");
    }
    let letters = ('0'..='z').filter(char::is_ascii_alphanumeric).map(String::from);
    taken.extend(letters.filter(takes));
    manual::holds_options("tlsserver.8", &taken);
}

#[test]
fn every_exit_code_is_in_the_page_and_back() {
    manual::holds_exit_codes("tlsserver", |_| BTreeSet::new());
}

#[test]
fn pages_of_programs_have_one_shape() {
    for (name, _) in PROGRAMS {
        manual::has_its_shape(&Page::named(&format!("{name}.8")));
    }
}
