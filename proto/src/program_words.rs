//! What programs behind logins write to descriptor 2, which is one pipe for all of them: cut
//! into lines and bounded, so that none begins as one of ours does and none fills a disk.
//!
//! Knows octets and a clock that it is told. Who reads the pipe and writes the log is the
//! caller, tlsserver's monitor.

use alloc::vec::Vec;
use core::fmt::{self, Write};

/// The longest line, in octets; what is longer is several.
pub const LONGEST: usize = 3_000;

/// Lines that may come at once.
pub const BURST: u32 = 10_000;

/// Lines that may come in each second, in the long run.
pub(crate) const EACH_SECOND: u32 = 1_000;

/// The same of login programs, whose lines strangers cause, one with each login that is refused:
/// as many as there may be of ours about those ([`crate::repeated`]).
pub const LOGIN_BURST: u32 = 500;

/// See [`LOGIN_BURST`].
pub(crate) const LOGIN_EACH_SECOND: u32 = 50;

/// How lines of login programs begin: of a session's programs, none has anything to say so.
const LOGIN_PROGRAM: &[u8] = b"checkpassword-";

/// What is to be logged.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A line, without its end.
    Line(Shown<'a>),
    /// So many lines were dropped, as there were too many.
    Lost(u64),
}

/// The words of all of them.
#[derive(Debug)]
pub struct ProgramWords {
    /// What has no end yet.
    rest: Vec<u8>,
    all: Allowance,
    of_login_programs: Allowance,
    lost: u64,
}

/// How many lines may come.
#[derive(Debug)]
struct Allowance {
    burst: u32,
    each_second: u32,
    left: u32,
    /// Up to when that was counted, in milliseconds.
    counted: u64,
}

impl Allowance {
    const fn new(burst: u32, each_second: u32, now: u64) -> Self {
        Self { burst, each_second, left: burst, counted: now }
    }

    fn count(&mut self, now: u64) {
        let more = now.saturating_sub(self.counted).saturating_mul(u64::from(self.each_second));
        let more = u32::try_from(more / 1_000).unwrap_or(u32::MAX);
        if more > 0 {
            self.counted = now;
            self.left = self.left.saturating_add(more).min(self.burst);
        }
    }
}

impl ProgramWords {
    /// Nothing yet; `now` in milliseconds, on any clock that is not set.
    #[must_use]
    pub const fn new(now: u64) -> Self {
        let all = Allowance::new(BURST, EACH_SECOND, now);
        let of_login_programs = Allowance::new(LOGIN_BURST, LOGIN_EACH_SECOND, now);
        Self { rest: Vec::new(), all, of_login_programs, lost: 0 }
    }

    /// Takes what has been read.
    pub fn push(&mut self, octets: &[u8], now: u64, say: &mut dyn FnMut(Said<'_>)) {
        self.count(now);
        for part in octets.split_inclusive(|&octet| octet == b'\n') {
            let (text, is_whole) = part.strip_suffix(b"\n").map_or((part, false), |it| (it, true));
            let mut text = text;
            while self.rest.len() + text.len() > LONGEST {
                let (fits, more) = text.split_at(LONGEST - self.rest.len());
                self.rest.extend_from_slice(fits);
                self.end_line(say);
                text = more;
            }
            self.rest.extend_from_slice(text);
            if is_whole {
                self.end_line(say);
            }
        }
    }

    /// Whether there is something without an end, or something that is still to be said.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        !self.rest.is_empty() || self.lost > 0
    }

    /// No end will come, or not soon.
    pub fn flush(&mut self, now: u64, say: &mut dyn FnMut(Said<'_>)) {
        self.count(now);
        self.end_line(say);
        self.say_lost(say);
    }

    fn count(&mut self, now: u64) {
        self.all.count(now);
        self.of_login_programs.count(now);
    }

    fn end_line(&mut self, say: &mut dyn FnMut(Said<'_>)) {
        let text = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
        if !text.is_empty() {
            let its = u32::from(text.starts_with(LOGIN_PROGRAM));
            let left = self.all.left.checked_sub(1);
            if let Some(left) = left.zip(self.of_login_programs.left.checked_sub(its)) {
                (self.all.left, self.of_login_programs.left) = left;
                let lost = core::mem::take(&mut self.lost);
                if lost > 0 {
                    say(Said::Lost(lost));
                }
                say(Said::Line(Shown(text)));
            } else {
                self.lost += 1;
            }
        }
        self.rest.clear();
    }

    fn say_lost(&mut self, say: &mut dyn FnMut(Said<'_>)) {
        if self.lost > 0 && self.all.left > 0 {
            say(Said::Lost(core::mem::take(&mut self.lost)));
        }
    }
}

/// Shows a program's words: as they are, but for what a terminal would obey and what is no
/// text, each octet of which is `\xNN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = |f: &mut fmt::Formatter<'_>, octets: &[u8]| {
            octets.iter().try_for_each(|octet| write!(f, "\\x{octet:02x}"))
        };
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() {
                    octets(f, letter.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else {
                    f.write_char(letter)?;
                }
            }
            octets(f, chunk.invalid())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};
    use std::vec;

    /// What is logged of these, each read at a moment.
    fn said(read: &[(&[u8], u64)]) -> Vec<String> {
        let mut words = ProgramWords::new(0);
        let mut said = Vec::new();
        let mut say = |one: Said<'_>| {
            said.push(match one {
                Said::Line(line) => line.to_string(),
                Said::Lost(count) => format!("{count} lost"),
            });
        };
        let mut last = 0;
        for (octets, now) in read {
            words.push(octets, *now, &mut say);
            last = *now;
        }
        words.flush(last, &mut say);
        said
    }

    #[test]
    fn d61_however_it_is_read_the_lines_are_the_same() {
        let written = b"one\n\ntwo\r\n\xc3\xa9t\xc3\xa9 \x1b[2J \xff\\x\nno end";
        let expected = ["one", "two", "\u{e9}t\u{e9} \\x1b[2J \\xff\\x", "no end"];
        for cut in 0..=written.len() {
            let (first, second) = written.split_at(cut);
            assert_eq!(said(&[(first, 0), (second, 0)]), expected, "{cut}");
        }
    }

    #[test]
    fn d61_a_line_without_end_is_cut() {
        let long = vec![b'x'; 2 * LONGEST + 1];
        let lines = said(&[(&long, 0), (b"\nbehind\n", 0)]);
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, 1, 6]);
    }

    #[test]
    fn d61_what_is_too_much_is_counted() {
        let much = b"a\n".repeat(BURST as usize + 7);
        let lines = said(&[(&much, 0), (b"b\n", 1)]);
        assert_eq!(lines.len(), BURST as usize + 2);
        assert_eq!(lines[BURST as usize..], ["7 lost", "b"]);
        // A second later there is room for as many as that is worth.
        let lines = said(&[(&much, 0), (&much, 1000)]);
        assert_eq!(lines.len(), (BURST + EACH_SECOND) as usize + 1);
        assert_eq!(said(&[(&much, 0)]).len(), BURST as usize);
    }

    #[test]
    fn d61_so_is_what_strangers_have_login_programs_say() {
        let refused = b"checkpassword-file: login refused: al: wrong password\n";
        let much = refused.repeat(LOGIN_BURST as usize + 7);
        // Others' words come all the same.
        let lines = said(&[(&much, 0), (b"fixsmtpio: a\n", 0), (refused, 999), (refused, 999)]);
        assert_eq!(lines.len(), LOGIN_BURST as usize + 4);
        assert_eq!(lines[LOGIN_BURST as usize..][..2], ["7 lost", "fixsmtpio: a"]);
        let lines = said(&[(&much, 0), (&much, 1000)]);
        assert_eq!(lines.len(), (LOGIN_BURST + LOGIN_EACH_SECOND) as usize + 2);
    }
}
