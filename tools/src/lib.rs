//! The programs of each connection: drivers that join `proto`, which decides, to `unix`, which
//! acts.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods)]

pub mod addtlsheader;
pub mod authup;
mod behind;
pub mod checknotroot;
pub mod fiximapio;
pub mod fixsmtpio;
mod last_words;
mod qmail;
mod tls;

use proto::exit_code;
use std::fmt;

/// One line on standard error, `PROGRAM: TEXT`.
fn log(program: &str, text: fmt::Arguments<'_>) {
    unix::log::line(format_args!("{program}: "), text);
}

/// [`log`], and the exit code 1 that all five programs share for what is wrong with
/// their call or their machine.
fn fail(program: &str, text: fmt::Arguments<'_>) -> u8 {
    log(program, text);
    exit_code::FAILED
}
