//! The program behind one of ours, which cannot be run.

use crate::log;
use std::io;
use unix::log::Reason;
use unix::process::Argv;

/// One line about it.
pub(crate) fn log_that_it_cannot_run(name: &str, program: &Argv, reason: &io::Error) {
    let program = program.name().display();
    log(name, format_args!("unable to exec: {program}: {}", Reason(reason)));
}
