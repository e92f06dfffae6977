//! How a task ends, and how it says so.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use unix::log::Reason;

/// How a task that looks at something ends; its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All is well: 0.
    Clean,
    /// There is something to look at: 1.
    Warnings,
    /// It does not work: 2.
    Errors,
}

impl Outcome {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Clean, Self::Warnings, Self::Errors];
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Why a task could not be done, in one line.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    /// The line.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// Something could not be done with a file.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("{what}: {}: {}", path.display(), Reason(error)))
    }

    /// A file could not be read.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn read(path: &Path, error: io::Error) -> Self {
        Self::file("unable to read", path, &error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prints a line. Nobody need be listening.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
