//! The manual pages of this package's programs.

use std::collections::BTreeSet;
use test_support::manual;

/// The programs, as built here.
const PROGRAMS: [(&str, &str); 2] = [
    ("checkpassword-file", env!("CARGO_BIN_EXE_checkpassword-file")),
    ("checkpassword-pam", env!("CARGO_BIN_EXE_checkpassword-pam")),
];

test_support::manual_holds!("checkpassword", PROGRAMS, manual::options_of, |_| BTreeSet::new());
