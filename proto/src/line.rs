//! Where a line ends, and how long it may get.
//!
//! Boundaries come before grammar: a line that is malformed or too long must
//! never let its rest be read as the next command. The splitter takes no octet
//! past a line's end, so its caller can leave what follows (a TLS handshake, or
//! what is meant for the program behind us) where it is.
//!
//! A line may go on behind its end: with a literal, so many octets whatever they are, and
//! then up to the next line's end (IMAP: RFC 9051, section 4.3). All of it is one line
//! here, with one limit.

use alloc::vec::Vec;
use zeroize::Zeroize;

/// The longest line of any kind, in octets before its line ending: an AUTH
/// command or continuation (RFC 4954, section 4).
pub const LONGEST: usize = 12_288;

/// The longest command other than AUTH, in octets before its line ending.
pub const LONGEST_COMMAND: usize = 4_096;

/// What [`Splitter::push`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All input is taken and no line has ended.
    NeedInput,
    /// A line has ended: see [`Splitter::line`].
    Line,
    /// A line has ended that was longer than its limit; it was skipped.
    TooLong,
}

/// Collects one line. What it held is wiped: it may have been a password.
pub struct Splitter {
    held: Vec<u8>,
    /// How many octets of a literal are still to come.
    literal: usize,
    /// Where in it, behind a literal, the line goes on.
    last: usize,
    skipping: bool,
    done: bool,
}

impl Splitter {
    /// A splitter that has room for the [`LONGEST`] line and never moves it.
    #[must_use]
    pub fn new() -> Self {
        // One more for a carriage return that may belong to the line ending.
        let held = Vec::with_capacity(LONGEST + 1);
        Self { held, literal: 0, last: 0, skipping: false, done: false }
    }

    /// Takes input up to and including the next line feed behind a literal that is
    /// awaited, and no further.
    /// Returns how much was taken. `limit` says how long the line may get, in
    /// octets, judged by its beginning; it is held to [`LONGEST`].
    pub fn push(&mut self, input: &[u8], limit: impl Fn(&[u8]) -> usize) -> (usize, Pushed) {
        if self.done {
            self.forget();
        }
        let (literal, rest) = input.split_at(self.literal.min(input.len()));
        self.hold(literal, &limit);
        self.literal -= literal.len();
        let feed = memchr::memchr(b'\n', rest);
        let piece = rest.get(..feed.unwrap_or(rest.len())).unwrap_or_default();
        self.hold(piece, &limit);
        let taken = literal.len() + piece.len();
        match feed {
            None => (taken, Pushed::NeedInput),
            Some(_) => {
                self.done = true;
                let pushed = if self.skipping { Pushed::TooLong } else { Pushed::Line };
                (taken + 1, pushed)
            }
        }
    }

    /// Goes on with the line that has ended: `octets` octets belong to it, whatever they
    /// are, and what follows them up to the next line feed. [`Self::line`] has all of it
    /// then, with CRLF where it ended before.
    pub fn go_on_with_literal(&mut self, octets: usize) {
        if self.done {
            let length = self.length();
            self.held.truncate(length);
            self.hold(b"\r\n", |_| LONGEST);
            self.literal = octets;
            self.last = length.saturating_add(2).saturating_add(octets);
            self.done = false;
        }
    }

    /// What is held of a line that has not ended: nothing yet, where one begins with what is
    /// pushed next. `None`: the line is too long, and is skipped.
    #[must_use]
    pub fn begun(&self) -> Option<&[u8]> {
        match (self.done, self.skipping) {
            (true, _) => Some(&[]),
            (false, true) => None,
            (false, false) => Some(&self.held),
        }
    }

    /// How many more octets a line may get that has ended, with the line ending that it
    /// then has in it.
    #[must_use]
    pub fn room(&self) -> usize {
        LONGEST.saturating_sub(self.length() + 2)
    }

    /// The line that has ended, without its line feed and one carriage return
    /// before it. Empty while none has.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        let held = self.held.get(..self.length()).filter(|_| self.done && !self.skipping);
        held.unwrap_or_default()
    }

    /// Of [`Self::line`], what stands behind its last literal.
    #[must_use]
    pub(crate) fn last_line(&self) -> &[u8] {
        self.line().get(self.last..).unwrap_or_default()
    }

    /// Without a carriage return at the end, unless that is a literal's.
    fn length(&self) -> usize {
        let last = self.held.get(self.last..).unwrap_or_default();
        self.held.len() - usize::from(last.ends_with(b"\r"))
    }

    fn hold(&mut self, piece: &[u8], limit: impl Fn(&[u8]) -> usize) {
        if piece.is_empty() {
            return;
        }
        let room = (LONGEST + 1).saturating_sub(self.held.len());
        let (kept, over) = piece.split_at(room.min(piece.len()));
        if !self.skipping {
            self.held.extend_from_slice(kept);
        }
        let length = self.length();
        if !over.is_empty() || length > limit(&self.held).min(LONGEST) {
            self.skipping = true;
            self.wipe();
        }
    }

    /// Wipes the line, and is ready for the next.
    pub fn forget(&mut self) {
        self.wipe();
        (self.literal, self.last) = (0, 0);
        self.skipping = false;
        self.done = false;
    }

    fn wipe(&mut self) {
        self.held.as_mut_slice().zeroize();
        self.held.clear();
    }
}

impl Drop for Splitter {
    /// Wipes what is held: not all that there is room for, most of which no line has used.
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

/// Splits a command at its first space: the verb, and the argument without the
/// further spaces before it. Both SMTP and POP3 (RFC 5321, section 2.4; RFC 1939,
/// section 3).
#[must_use]
pub fn verb_and_argument(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at)) {
        Some((verb, rest)) => {
            let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
            (verb, rest.get(spaces..).unwrap_or_default())
        }
        None => (line, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_anywhere::at_every_split;
    use alloc::vec;
    use std::string::String;

    /// Each line that ends in `{n}` goes on with n octets.
    fn lines(pieces: &[&[u8]], limit: usize) -> Vec<String> {
        let mut splitter = Splitter::new();
        let mut seen = vec![];
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, pushed) = splitter.push(rest, |_| limit);
                assert!(taken > 0, "each step consumes");
                rest = &rest[taken..];
                let line = String::from_utf8_lossy(splitter.line()).into_owned();
                let octets = line.rsplit_once('{').and_then(|(_, end)| end.strip_suffix('}'));
                match (pushed, octets.and_then(|octets| octets.parse().ok())) {
                    (Pushed::NeedInput, _) => assert!(rest.is_empty()),
                    (Pushed::Line, Some(octets)) => splitter.go_on_with_literal(octets),
                    (Pushed::Line, None) => seen.push(line),
                    (Pushed::TooLong, _) => seen.push("too long".into()),
                }
            }
        }
        seen
    }

    #[test]
    fn lines_end_at_line_feed_wherever_the_cut_falls() {
        let input = b"one\r\ntwo\n\r\n\nx\ry\r\r\nhalf";
        let seen = at_every_split(input, |pieces| lines(pieces, 9));
        assert_eq!(seen, ["one", "two", "", "", "x\ry\r"]);
    }

    #[test]
    fn d06_a_line_over_its_limit_is_skipped_whole() {
        let input = b"12345\r\n123456\r\n123456789\nok\n";
        let seen = at_every_split(input, |pieces| lines(pieces, 5));
        assert_eq!(seen, ["12345", "too long", "too long", "ok"]);
    }

    #[test]
    fn a_line_goes_on_with_octets_that_are_counted() {
        let input = b"a {3}\r\n\r\nx b {0}\n\r\nnext\r\n{2}\r\nab{1}\r\n\n\r\n";
        let seen = at_every_split(input, |pieces| lines(pieces, 99));
        assert_eq!(seen, ["a {3}\r\n\r\nx b {0}\r\n", "next", "{2}\r\nab{1}\r\n\n"]);
    }

    #[test]
    fn one_limit_for_a_line_with_its_literals() {
        let input = b"{4}\r\nabcd\r\n{4}\r\n\nbcde\r\nok\r\n";
        let seen = at_every_split(input, |pieces| lines(pieces, 9));
        assert_eq!(seen, ["{4}\r\nabcd", "too long", "ok"]);
    }

    #[test]
    fn there_is_no_more_room_than_the_longest_line_has() {
        let mut splitter = Splitter::new();
        assert_eq!(splitter.push(b"{9}\r\n", |_| LONGEST), (5, Pushed::Line));
        let room = splitter.room();
        assert_eq!(room, LONGEST - 5);
        splitter.go_on_with_literal(room);
        let literal = vec![b'x'; room];
        assert_eq!(splitter.push(&literal, |_| LONGEST), (room, Pushed::NeedInput));
        assert_eq!(splitter.push(b"\r\n", |_| LONGEST), (2, Pushed::Line));
        assert_eq!(splitter.line().len(), LONGEST);
    }

    #[test]
    fn no_limit_is_above_the_longest() {
        let mut long = vec![b'x'; LONGEST];
        long.extend(b"\r\n");
        assert_eq!(lines(&[&long], usize::MAX)[0].len(), LONGEST);
        long.insert(0, b'x');
        assert_eq!(lines(&[&long], usize::MAX), ["too long"]);
    }

    #[test]
    fn verbs_end_at_the_first_space() {
        assert_eq!(verb_and_argument(b"AUTH  PLAIN x"), (&b"AUTH"[..], &b"PLAIN x"[..]));
        assert_eq!(verb_and_argument(b"QUIT"), (&b"QUIT"[..], &b""[..]));
        assert_eq!(verb_and_argument(b" x"), (&b""[..], &b"x"[..]));
    }
}
