//! A hostile client against the built programs, on real sockets.
//!
//! Each module tries one kind of thing and counts what it tried; `figures` makes the
//! table of it, which a whole run writes to `under-attack.md` in the build's folder.
//! The suite is the one that orphans come to, so that it sees who is left behind.
//! Called by `make test`.

use std::process::ExitCode;

use acceptance::chain::{As, Chain, is_root};
use acceptance::programs::Programs;
use acceptance::suite::{self, Test};
use anyhow::Result;

mod cutting;
mod door;
mod figures;
mod forging;
mod imap;
mod injection;
mod killing;
mod leaks;
mod lines;
mod past_cves;
mod resources;
mod sasl;
mod session;
mod smuggling;
mod stalling;

const PAGES: &[Test] = &[
    ("the_page_has_every_row", &[], |_| figures::the_page_has_every_row()),
    ("each_test_that_a_page_names_exists", &[], |_| {
        past_cves::each_test_that_a_page_names_exists()
    }),
];

fn main() -> Result<ExitCode> {
    let built = [env!("CARGO_BIN_EXE_stand-in"), env!("CARGO_BIN_EXE_lax-server")];
    let tests = [
        injection::TESTS,
        smuggling::TESTS,
        sasl::TESTS,
        imap::TESTS,
        lines::TESTS,
        cutting::TESTS,
        killing::TESTS,
        forging::TESTS,
        leaks::TESTS,
        resources::TESTS,
        stalling::TESTS,
        PAGES,
    ];
    suite::run(tests.concat(), &built, figures::write)
}

/// A service as it is run: by root where root runs the tests.
fn as_run(programs: &Programs) -> Result<Chain<'_>> {
    Chain::new(programs, if is_root() { As::Root } else { As::Ordinary })
}

/// A service of which every part is an ordinary user's, as port 25's is.
fn as_an_ordinary_user(programs: &Programs) -> Result<Chain<'_>> {
    Chain::new(programs, As::Ordinary)
}

/// authup's command line: the chain's users, and `server` behind the login.
fn login(chain: &Chain<'_>, protocol: &str, server: &[&str]) -> Vec<String> {
    chain.login(protocol, &[&["checknotroot"], server].concat())
}

/// The words as they are passed on.
fn words(command: &[impl AsRef<str>]) -> Vec<&str> {
    command.iter().map(AsRef::as_ref).collect()
}
