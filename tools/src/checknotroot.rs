//! checknotroot: refuses to go on as root, so that whoever guesses root's password
//! never learns it. It stands right behind a checkpassword that is not ours.

use crate::behind::log_that_it_cannot_run;
use crate::fail;
use proto::exit_code;
use std::ffi::OsString;
use unix::environment::Environment;
use unix::process::{Argv, is_root};
use unix::ready::{self, READY};

const NAME: &str = "checknotroot";
/// How it is called.
pub const USAGE: &str = "usage: checknotroot prog";

/// Runs the program; returns only if it cannot become the one behind it.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Some(program) = Argv::new(words) else {
        return fail(NAME, format_args!("{USAGE}"));
    };
    if is_root() {
        return fail(NAME, format_args!("WAS RUNNING AS ROOT, TERMINATING"));
    }
    let mut environment = Environment::inherited();
    let waiting = environment.take(READY);
    if let Some(number) = &waiting {
        ready::notify(number);
    }
    let reason = program.become_it(&environment);
    log_that_it_cannot_run(NAME, &program, &reason);
    // Who waits to hear of the login is there to tell the client.
    if waiting.is_some() { exit_code::NOT_STARTED } else { exit_code::FAILED }
}
