//! The four programs: drivers that join `proto`, which decides, to `unix`, which acts.

#![forbid(unsafe_code)]

pub mod addtlsheader;
pub mod authup;
pub mod checknotroot;
pub mod fixsmtpio;
mod qmail;
mod tls;

use proto::exit_code;
use std::process::ExitCode;

/// One line on standard error, `PROGRAM: TEXT`, and the exit code 1 that all four
/// programs share for what is wrong with their call or their machine.
fn fail(program: &str, text: std::fmt::Arguments<'_>) -> ExitCode {
    unix::log::line(format_args!("{program}: "), text);
    ExitCode::from(exit_code::FAILED)
}
