//! How a task ends, and how it says so.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
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

/// A file that is to be read; none for `-`, which is standard input.
pub(crate) fn named(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| *path != Path::new("-"))
}

/// What kept lines from being printed, the first time.
static UNPRINTED: OnceLock<io::Error> = OnceLock::new();

/// Prints a line. What cannot be printed is spoken of at the end, by [`exit_code`], since what
/// is under way comes to its end all the same.
pub(crate) fn print_line(line: &str) {
    printed(writeln!(io::stdout(), "{line}"));
}

/// Remembers that something could not be printed. Nobody need be listening: a reader that has
/// gone wants no more.
pub(crate) fn printed(result: io::Result<()>) {
    if let Err(error) = result.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    }) {
        let _ = UNPRINTED.set(error);
    }
}

/// The exit code of a task that has ended so, once all is printed; that of a failure, with a
/// line, where something was not.
pub(crate) fn exit_code(code: u8) -> ExitCode {
    printed(io::stdout().flush());
    let Some(error) = UNPRINTED.get() else { return ExitCode::from(code) };
    say(&Error::file("unable to write", Path::new("standard output"), error));
    Outcome::Errors.into()
}

/// Says on standard error why something could not be done, or what is odd about it.
pub(crate) fn say(what: &dyn fmt::Display) {
    unix::log::line(format_args!("acceptutils: "), format_args!("{what}"));
}
