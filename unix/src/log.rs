//! One line on standard error for each event, written whole.
//!
//! Callers show whatever a stranger chose by `proto::escape::Escaped`.

use std::fmt;
use std::io;

/// The longest line, in octets: short enough that a pipe takes it in one piece,
/// so that lines of different processes do not mix.
pub const LONGEST: usize = 4096;

/// Writes `PROGRAM TEXT` or `PROGRAM: TEXT`, as `prefix` has it, and a line feed.
/// A log that cannot be written to stops nothing.
pub fn line(prefix: fmt::Arguments<'_>, text: fmt::Arguments<'_>) {
    let mut line = format!("{prefix}{text}").into_bytes();
    line.truncate(LONGEST - 1);
    line.push(b'\n');
    let _ = rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stderr(), &line));
}

/// The system's reason for an error, in its own words and no others.
pub struct Reason<'a>(pub &'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.to_string();
        f.write_str(words.split(" (os error ").next().unwrap_or(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_systems_words() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(Reason(&error).to_string(), "No such file or directory");
        assert_eq!(Reason(&io::ErrorKind::TimedOut.into()).to_string(), "timed out");
    }
}
