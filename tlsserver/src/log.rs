//! Every line that the listener writes to standard error. The other processes have
//! theirs written by it, so that one place escapes what strangers chose.

use proto::escape::Escaped;
use std::fmt::Display;
use std::io::Write;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: nothing.
    Quiet,
    /// `-Q`, the default: what goes wrong.
    Errors,
    /// `-v`: the course of each connection too.
    Status,
}

/// The log.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    verbosity: Verbosity,
}

impl Log {
    /// A log that says as much.
    #[must_use]
    pub const fn new(verbosity: Verbosity) -> Self {
        Self { verbosity }
    }

    /// Something went wrong.
    pub fn error(self, line: impl Display) {
        self.write(Verbosity::Errors, line);
    }

    /// Something happened.
    pub fn status(self, line: impl Display) {
        self.write(Verbosity::Status, line);
    }

    fn write(self, level: Verbosity, line: impl Display) {
        if level <= self.verbosity {
            write(line);
        }
    }
}

/// Says why there will be no server, however quiet it was told to be.
pub fn fatal(line: impl Display) {
    write(line);
}

/// One line, one system call: lines of several processes do not mix. That it
/// cannot be written is nothing that could be said anywhere.
fn write(line: impl Display) {
    let text = line.to_string();
    let line = format!("tlsserver: {}\n", Escaped(text.as_bytes()));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
