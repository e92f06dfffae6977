//! Lines of `KEY=VALUE` pairs, as logfmt has them, and the word of the control file that
//! asks for them.
//!
//! A value stands between quotation marks unless it is of [`is_bare`] octets only. Within
//! them escapes are JSON's, since those are what parsers of logfmt know, and not the `\xNN`
//! of other lines: a backslash before a quotation mark or a backslash, and `\u00NN` for every
//! octet that is not printable ASCII, whether it is part of UTF-8 or not. So what a stranger
//! chose can neither end a value nor be lost.

use crate::control::one_line;
use crate::escape::SHOWN;
use alloc::string::String;
use core::fmt::{self, Write};
use core::time::Duration;

/// What `control/logformat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `logfmt`: besides all other lines, one at the end of each login and session.
    Logfmt,
}

/// It says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not logfmt")
    }
}

impl Format {
    /// Reads the file's contents.
    ///
    /// # Errors
    /// Its first line is no format that there is.
    pub fn parse(contents: &[u8]) -> Result<Self, Unknown> {
        if one_line(contents) == b"logfmt" { Ok(Self::Logfmt) } else { Err(Unknown) }
    }
}

/// Pairs that become part of a line.
#[derive(Debug, Default, Clone)]
pub struct Pairs(String);

impl Pairs {
    /// With this pair at its end. Keys are ours: a word each.
    #[must_use]
    pub fn with(mut self, key: &str, value: &[u8]) -> Self {
        let is_plain = !value.is_empty() && value.iter().all(|octet| is_bare(*octet));
        let mark = if is_plain { "" } else { "\"" };
        self.begin(key);
        self.0.push_str(mark);
        self.push_escaped(value);
        self.0.push_str(mark);
        self
    }

    /// The same, where there is a value.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With this number at its end.
    #[must_use]
    pub fn with_number(mut self, key: &str, number: impl fmt::Display) -> Self {
        self.begin(key);
        // A string takes everything.
        let _ = write!(self.0, "{number}");
        self
    }

    /// With this time at its end, in seconds to the thousandth.
    #[must_use]
    pub fn with_seconds(self, key: &str, time: Duration) -> Self {
        self.with_number(key, format_args!("{}.{:03}", time.as_secs(), time.subsec_millis()))
    }

    /// With all of these at its end.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        if !self.0.is_empty() && !more.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&more.0);
        self
    }

    /// Past [`SHOWN`] characters, `...`, as in other lines.
    fn push_escaped(&mut self, value: &[u8]) {
        let mut left = SHOWN;
        for &octet in value {
            let is_plain = matches!(octet, b' '..=b'~');
            let backslash = if matches!(octet, b'"' | b'\\') { "\\" } else { "" };
            let length = if is_plain { backslash.len() + 1 } else { r"\u00NN".len() };
            let Some(fits) = left.checked_sub(length) else { return self.0.push_str("...") };
            left = fits;
            // A string takes everything.
            let _ = if is_plain {
                write!(self.0, "{backslash}{}", char::from(octet))
            } else {
                write!(self.0, "\\u{octet:04x}")
            };
        }
    }

    fn begin(&mut self, key: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(key);
        self.0.push('=');
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether this octet needs no quotation marks.
#[must_use]
pub const fn is_bare(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b':' | b'@' | b'/' | b'+' | b'-')
}

/// The pairs of a text, for whoever reads a log; what is no pair ends them. Values are as
/// they are written, without their quotation marks. Lines with `\xNN` for everything, as they
/// once were, can be read, too.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (key, behind) = rest.trim_start().split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => {
                let end = end_of(quoted)?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => behind.split_once(' ').unwrap_or((behind, "")),
        };
        rest = behind;
        Some((key, value))
    })
}

/// Where the quotation mark is that ends a value: the first without a backslash.
fn end_of(quoted: &str) -> Option<usize> {
    let mut is_escaped = false;
    quoted.bytes().position(|octet| {
        let ends = octet == b'"' && !is_escaped;
        is_escaped = octet == b'\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    /// A value as parsers of logfmt take it that do not guess: within quotation marks JSON's
    /// escapes and no others, and no control character; without, none of the characters that
    /// would end it.
    fn strictly(value: &str) -> Option<Vec<char>> {
        let Some(quoted) = value.strip_prefix('"') else {
            let ends_it = |c: char| c <= ' ' || c == '=' || c == '"';
            return (!value.chars().any(ends_it)).then(|| value.chars().collect());
        };
        let (mut octets, mut read) = (quoted.strip_suffix('"')?.chars(), Vec::new());
        while let Some(c) = octets.next() {
            read.push(match c {
                '"' => return None,
                c if c < ' ' => return None,
                '\\' => match octets.next()? {
                    'u' => {
                        let digits: String = octets.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    c @ ('"' | '\\' | '/') => c,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    _ => return None,
                },
                c => c,
            });
        }
        Some(read)
    }

    #[test]
    fn d63_every_value_is_what_a_strict_parser_reads() {
        let octets: Vec<u8> = (0..=255).collect();
        let mut values: Vec<&[u8]> = octets.chunks(1).chain(octets.chunks(50)).collect();
        values.extend([
            &b"\\\""[..],
            b"\"\\",
            b"\\",
            b"\\u0041",
            b"\xc3\xa4",
            b"",
            b"a=b",
            b"null",
        ]);
        for value in values {
            let line = Pairs::default().with("user", value).to_string();
            let read = strictly(line.strip_prefix("user=").unwrap());
            let expected: Vec<_> = value.iter().map(|octet| char::from(*octet)).collect();
            assert_eq!(read, Some(expected), "{line}");
        }
    }

    #[test]
    fn long_values_are_cut_between_escapes() {
        let of = |octet| Pairs::default().with("u", &[octet; SHOWN + 1]).to_string();
        assert_eq!(of(b'x').len(), "u=".len() + SHOWN + 3);
        for octet in [b'"', b'\\', 0xff] {
            let shown = of(octet);
            assert!(shown.len() <= "u=\"\"".len() + SHOWN + 3, "{shown}");
            let read = strictly(shown.strip_prefix("u=").unwrap()).unwrap();
            assert!(read.ends_with(&['.'; 3]), "{shown}");
            assert_eq!(pairs(&shown).count(), 1, "{shown}");
        }
    }

    #[test]
    fn lines_with_the_escapes_of_other_lines_are_read() {
        let old = r#"result=refused user="al\x0a\x22 tls=x\x5c" mech=PLAIN"#;
        let read: Vec<_> = pairs(old).collect();
        let user = ("user", r"al\x0a\x22 tls=x\x5c");
        assert_eq!(read, [("result", "refused"), user, ("mech", "PLAIN")]);
    }

    #[test]
    fn the_word_and_no_other() {
        assert_eq!(Format::parse(b"logfmt\n"), Ok(Format::Logfmt));
        assert_eq!(Format::parse(b"logfmt \nmore"), Ok(Format::Logfmt));
        for contents in [&b""[..], b"\n", b"json\n", b"Logfmt", b"# logfmt\nlogfmt"] {
            assert_eq!(Format::parse(contents), Err(Unknown));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let written = Pairs::default()
            .with("user", b"al\n\" tls=x\\")
            .with("sni", b"mail.example.org")
            .with("empty", b"")
            .with_some("none", None)
            .with_number("try", 2)
            .and(&Pairs::default().with_seconds("secs", Duration::from_micros(12_034_999)));
        let text = written.to_string();
        assert_eq!(
            text,
            r#"user="al\u000a\" tls=x\\" sni=mail.example.org empty="" try=2 secs=12.034"#
        );
        let read: Vec<_> = pairs(&text).collect();
        assert_eq!(
            read,
            [
                ("user", r#"al\u000a\" tls=x\\"#),
                ("sni", "mail.example.org"),
                ("empty", ""),
                ("try", "2"),
                ("secs", "12.034")
            ]
        );
        assert_eq!(pairs("no pair").count() + pairs("a=\"b").count() + pairs("").count(), 0);
    }
}
