//! Programs that are run to their end.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs a command with this on its standard input; what it wrote, and how it ended.
///
/// # Panics
/// When it cannot be run.
#[track_caller]
pub fn output(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().to_owned();
    let mut child = command.spawn().unwrap_or_else(|why| panic!("{}: {why}", program.display()));
    // Who has seen enough may stop reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What was written on standard output.
#[must_use]
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What was written on standard error.
#[must_use]
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
