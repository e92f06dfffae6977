//! The words of a command: atoms, quoted strings and literals (RFC 9051, section 9).

use super::literal::{Literal, announced};
use crate::secret::Secret;

/// Why a word cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is not of the grammar.
    Syntax,
    /// It is a literal whose octets are still to come.
    Literal,
}

/// Reads words from the front of a command, whose literals stand in it as they were
/// received: `{n}`, CR LF, and their octets.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// As many octets as `is_part` holds for; none is a syntax error.
    pub(super) fn run(&mut self, is_part: impl Fn(u8) -> bool) -> Result<&'a [u8], Stop> {
        let length = self.0.iter().take_while(|&&octet| is_part(octet)).count();
        let (run, rest) = self.0.split_at_checked(length).ok_or(Stop::Syntax)?;
        if run.is_empty() {
            return Err(Stop::Syntax);
        }
        self.0 = rest;
        Ok(run)
    }

    /// This very octet.
    pub(super) fn octet(&mut self, wanted: u8) -> Result<(), Stop> {
        match self.0.split_first() {
            Some((&found, rest)) if found == wanted => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(Stop::Syntax),
        }
    }

    /// Nothing more.
    pub(super) fn end(&self) -> Result<(), Stop> {
        if self.0.is_empty() { Ok(()) } else { Err(Stop::Syntax) }
    }

    /// An atom, a quoted string or a literal.
    pub(super) fn astring(&mut self) -> Result<Secret, Stop> {
        match self.0.first() {
            Some(b'"' | b'{') => self.string(),
            _ => self.run(is_astring_char).map(|atom| Secret::from(atom.to_vec())),
        }
    }

    /// A quoted string or a literal.
    pub(super) fn string(&mut self) -> Result<Secret, Stop> {
        match self.0.first() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(|octets| Secret::from(octets.to_vec())),
            _ => Err(Stop::Syntax),
        }
    }

    /// `NIL`, as it stands for no string.
    pub(super) fn nil(&mut self) -> Result<(), Stop> {
        let atom = self.run(is_astring_char)?;
        if atom.eq_ignore_ascii_case(b"NIL") { Ok(()) } else { Err(Stop::Syntax) }
    }

    fn quoted(&mut self) -> Result<Secret, Stop> {
        self.octet(b'"')?;
        let mut value = Secret::with_capacity(self.0.len());
        loop {
            let (&octet, rest) = self.0.split_first().ok_or(Stop::Syntax)?;
            self.0 = rest;
            let meant = match octet {
                b'"' => return Ok(value),
                b'\r' | b'\n' => return Err(Stop::Syntax),
                b'\\' => {
                    let escaped = *self.0.first().ok_or(Stop::Syntax)?;
                    if !matches!(escaped, b'"' | b'\\') {
                        return Err(Stop::Syntax);
                    }
                    self.octet(escaped)?;
                    escaped
                }
                other => other,
            };
            if !value.append(&[meant]) {
                return Err(Stop::Syntax);
            }
        }
    }

    /// The octets of a literal, where they have come.
    fn literal(&mut self) -> Result<&'a [u8], Stop> {
        let end = memchr::memchr(b'}', self.0).ok_or(Stop::Syntax)? + 1;
        let (mark, rest) = self.0.split_at_checked(end).ok_or(Stop::Syntax)?;
        let (Literal::Asked(length) | Literal::Unasked(length)) = announced(mark) else {
            return Err(Stop::Syntax);
        };
        if rest.is_empty() {
            return Err(Stop::Literal);
        }
        let octets = rest.strip_prefix(b"\r\n").ok_or(Stop::Syntax)?;
        let (literal, rest) = octets.split_at_checked(length).ok_or(Stop::Syntax)?;
        self.0 = rest;
        Ok(literal)
    }
}

/// No CTL, no blank, and none that mean something. Octets from 128 up are no part of the
/// standard's atoms; clients send them in names and passwords, and nothing is guessed by
/// passing them on as they are.
pub(super) const fn is_atom_char(octet: u8) -> bool {
    is_astring_char(octet) && octet != b']'
}

/// As in an atom, and `]`.
pub(super) const fn is_astring_char(octet: u8) -> bool {
    octet > b' '
        && octet != 0x7f
        && !matches!(octet, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn astring(text: &[u8]) -> Result<Secret, Stop> {
        let mut reader = Reader(text);
        let value = reader.astring()?;
        reader.end().map(|()| value)
    }

    #[test]
    fn strings_are_read_as_they_are_meant() {
        for (text, value) in [
            (&b"alice"[..], &b"alice"[..]),
            (b"NIL", b"NIL"),
            (b"a]b}+~", b"a]b}+~"),
            (b"\xe9t\xc3\xa9", b"\xe9t\xc3\xa9"),
            (b"\"\"", b""),
            (b"\"a b\"", b"a b"),
            (b"\"p\\\"w\\\\\"", b"p\"w\\"),
            (b"\"\xff{5}\"", b"\xff{5}"),
            (b"{0}\r\n", b""),
            (b"{3}\r\na\r\n", b"a\r\n"),
            (b"{3+}\r\n\"{}", b"\"{}"),
        ] {
            let read = astring(text).map(|value| value.expose().to_vec());
            assert_eq!(read.as_deref(), Ok(value), "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_string_is_a_syntax_error_and_no_guess() {
        for text in [
            &b""[..],
            b" ",
            b"a b",
            b"(x",
            b"a{5",
            b"x\"y",
            b"\"open",
            b"\"a\\n\"",
            b"\"a\\",
            b"\"a\rb\"",
            b"a\tb",
            b"a\x7f",
            b"{3}\r\nab",
            b"{3}x",
            b"~{3}\r\nabc",
            b"{3}\r\nabcd",
            b"{x}\r\nabc",
        ] {
            let read = astring(text).map(|value| value.expose().to_vec());
            assert_eq!(read, Err(Stop::Syntax), "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn a_literal_to_come_is_told_apart() {
        assert_eq!(astring(b"{5}").map(|_| ()), Err(Stop::Literal));
        assert_eq!(astring(b"{0}").map(|_| ()), Err(Stop::Literal));
        assert_eq!(astring(b"~{5}").map(|_| ()), Err(Stop::Syntax));
    }
}
