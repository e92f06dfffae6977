//! Faults of the machine, of the programs behind and of whoever starts us, injected into
//! the built programs: a login or a message is either done or refused, the client is told
//! which, nobody stays behind, and no parser reads outside of its jail.
//!
//! Each module injects one kind of thing and counts; `figures` makes the table, which a
//! whole run writes to `faults.md` in the build's folder. What a hostile client can do is
//! the business of the tests `hostile`. Called by `make test`.

use std::process::ExitCode;

use acceptance::suite::{self, Test};
use anyhow::Result;

mod calls;
mod clock;
mod figures;
mod files;
mod limits;
mod replies;
mod server;
mod session;
mod signals;
mod thousands;
mod verdict;

const PAGES: &[Test] =
    &[("the_page_has_every_row_of_faults", &[], |_| figures::the_page_has_every_row())];

fn main() -> Result<ExitCode> {
    let built = [env!("CARGO_BIN_EXE_stand-in"), env!("CARGO_BIN_EXE_lax-server")];
    let tests = [
        calls::TESTS,
        limits::TESTS,
        replies::TESTS,
        server::TESTS,
        signals::TESTS,
        thousands::TESTS,
        files::TESTS,
        clock::TESTS,
        PAGES,
    ];
    suite::run(tests.concat(), &built, figures::write)
}
