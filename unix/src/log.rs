//! One line on standard error for each event, written whole.
//!
//! Callers show whatever a stranger chose by `proto::escape::Escaped`, which bounds it
//! and marks the backslash. Here it is only made sure that one event is one line, also
//! where a file's name or a library's words have a line break in them.

use proto::escape::Escaped;
use std::fmt;
use std::io;

/// The longest line, in octets: short enough that a pipe takes it in one piece,
/// so that lines of different processes do not mix.
pub const LONGEST: usize = 4096;

/// Writes `PROGRAM TEXT` or `PROGRAM: TEXT`, as `prefix` has it, and a line feed.
/// A log that cannot be written to stops nothing.
pub fn line(prefix: fmt::Arguments<'_>, text: fmt::Arguments<'_>) {
    let line = one_line(&format!("{prefix}{text}"));
    let _ = rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stderr(), &line));
}

fn one_line(text: &str) -> Vec<u8> {
    let mut line = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if letter.is_ascii_control() {
            line.push_str(&Escaped(letter.encode_utf8(&mut [0; 4]).as_bytes()).to_string());
        } else {
            line.push(letter);
        }
    }
    let mut line = line.into_bytes();
    line.truncate(LONGEST - 1);
    line.push(b'\n');
    line
}

/// Takes the log away from this process, and puts in its place what takes nothing.
///
/// # Errors
/// The system's, most likely that descriptors are exhausted; the log is still there.
pub fn let_go() -> io::Result<()> {
    let (_, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok(rustix::stdio::dup2_stderr(&writer)?)
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
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(
            one_line("authup 1 a\nb\x1b\\x0a \u{fc}"),
            "authup 1 a\\x0ab\\x1b\\x0a \u{fc}\n".as_bytes()
        );
        let long = one_line(&"\n".repeat(LONGEST));
        assert_eq!(
            (long.len(), long.iter().filter(|&&octet| octet == b'\n').count()),
            (LONGEST, 1)
        );
    }

    #[test]
    fn reasons_are_the_systems_words() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(Reason(&error).to_string(), "No such file or directory");
        assert_eq!(Reason(&io::ErrorKind::TimedOut.into()).to_string(), "timed out");
    }
}
