//! The manual pages of this package's programs.

use std::collections::BTreeSet;
use test_support::manual::{self, page::Page};
use tlsserver::options;

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 1] = [("tlsserver", env!("CARGO_BIN_EXE_tlsserver"))];

test_support::manual_holds!("tlsserver", PROGRAMS, taken, |_| BTreeSet::new());

/// Those of its usage, and those that the usage leaves out.
fn taken(program: &str) -> BTreeSet<String> {
    manual::options_of(program).into_iter().chain(options::names()).collect()
}

#[test]
fn the_page_has_the_usage() {
    let page = Page::named("tlsserver.8").text();
    assert!(page.contains(&options::usage()), "{}", options::usage());
}
