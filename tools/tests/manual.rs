//! The manual pages of this package's programs.

use proto::login::outcome::{Exit, Outcome, Who};
use std::collections::BTreeSet;
use std::ffi::OsString;
use test_support::manual::{self, page::Page};

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 5] = [
    ("authup", env!("CARGO_BIN_EXE_authup")),
    ("checknotroot", env!("CARGO_BIN_EXE_checknotroot")),
    ("fiximapio", env!("CARGO_BIN_EXE_fiximapio")),
    ("fixsmtpio", env!("CARGO_BIN_EXE_fixsmtpio")),
    ("qmail-qfilter-addtlsheader", env!("CARGO_BIN_EXE_qmail-qfilter-addtlsheader")),
];

test_support::manual_holds!("tools", PROGRAMS, manual::options_of, told);

/// Exit codes of the programs behind that authup tells apart.
fn told(program: &str) -> BTreeSet<u8> {
    let of = |code, who| Outcome::of(Exit::Code(code), who);
    let is_told = |code: &u8| {
        of(*code, Who::Anybody) != Outcome::Completed(*code)
            || of(*code, Who::Root) == Outcome::Refused
            // Which has a line of its own in the log.
            || *code == proto::exit_code::TOLD
    };
    if program == "authup" { (0..=u8::MAX).filter(is_told).collect() } else { BTreeSet::new() }
}

/// The usage text may be wrong; what the parser takes is not.
#[test]
fn authup_takes_no_option_but_those_in_its_page() {
    let takes = |letter: &String| {
        let line = [&format!("-{letter}"), "3", "smtp", "true"].map(OsString::from);
        tools::authup::understands(&mut line.into_iter())
    };
    let letters = ('0'..='z').filter(char::is_ascii_alphanumeric).map(String::from);
    let taken: BTreeSet<_> = letters.filter(takes).collect();
    let mut options = Page::named("authup.8").options();
    // Long ones are for whoever asks about the program.
    options.retain(|option| !option.starts_with('-'));
    assert_eq!(taken, options);
}
