//! Every line that the listener writes to standard error, and those of jailed processes, which
//! have no log. What these say is escaped where it comes in: a stranger may have chosen it.
//! What the administrator has named, as a file, is shown whole.

use std::fmt::Display;
use unix::journal::{Level, mark};

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

    /// Says a line, if so much is said.
    pub fn write(self, level: Verbosity, line: impl Display) {
        if level <= self.verbosity {
            write(if level == Verbosity::Status { Level::Info } else { Level::Warning }, line);
        }
    }
}

/// Says why there will be no server, however quiet it was told to be.
pub fn fatal(line: impl Display) {
    write(Level::Error, line);
}

fn write(level: Level, line: impl Display) {
    let (mark, text) = (mark(level), words_only(&line.to_string()));
    unix::log::line(format_args!("{mark}tlsserver: "), format_args!("{text}"));
}

/// Leaves out the number that std puts behind the system's reason.
fn words_only(text: &str) -> String {
    const NUMBER: &str = " (os error ";
    let Some((before, after)) = text.split_once(NUMBER) else { return text.to_owned() };
    let after = after.split_once(')').map_or("", |(_, after)| after);
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        let reason = std::io::Error::from_raw_os_error(2);
        let line = format!("/etc/x: {reason}; keeping the previous ones");
        assert_eq!(
            words_only(&line),
            "/etc/x: No such file or directory; keeping the previous ones"
        );
        assert_eq!(words_only("nothing to do"), "nothing to do");
    }
}
