//! The manual pages of this package's programs.

use std::collections::BTreeSet;
use test_support::manual::{self, page::Page};

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 2] = [
    ("checkpassword-file", env!("CARGO_BIN_EXE_checkpassword-file")),
    ("checkpassword-pam", env!("CARGO_BIN_EXE_checkpassword-pam")),
];

#[test]
fn every_name_in_the_code_is_in_the_page_and_back() {
    manual::holds_names("checkpassword");
}

#[test]
fn every_text_in_the_code_is_in_a_page() {
    manual::holds_texts("checkpassword");
}

#[test]
fn every_option_is_in_the_page_and_back() {
    for (name, program) in PROGRAMS {
        manual::holds_options(&format!("{name}.8"), &manual::options_of(program));
    }
}

#[test]
fn every_exit_code_is_in_the_page_and_back() {
    manual::holds_exit_codes("checkpassword", |_| BTreeSet::new());
}

#[test]
fn pages_of_programs_have_one_shape() {
    for (name, _) in PROGRAMS {
        manual::has_its_shape(&Page::named(&format!("{name}.8")));
    }
}
