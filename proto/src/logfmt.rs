//! Lines of `KEY=VALUE` pairs, as logfmt has them, and the word of the control file that
//! asks for them.
//!
//! A value stands between quotation marks unless it is of [`is_bare`] octets only. What a
//! stranger chose is shown as in other lines ([`Escaped`]), and the quotation mark, too,
//! as `\xNN`: so a quoted value ends at the next quotation mark, whatever it is.

use crate::control::one_line;
use crate::escape::Escaped;
use alloc::string::{String, ToString};
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
        let shown = Escaped(value).to_string();
        self.begin(key);
        if is_plain {
            self.0.push_str(&shown);
        } else {
            self.0.push('"');
            self.0.push_str(&shown.replace('"', "\\x22"));
            self.0.push('"');
        }
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
/// they are written, without their quotation marks.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (key, behind) = rest.trim_start().split_once('=')?;
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => behind.split_once(' ').unwrap_or((behind, "")),
        };
        rest = behind;
        Some((key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

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
            r#"user="al\x0a\x22 tls=x\x5c" sni=mail.example.org empty="" try=2 secs=12.034"#
        );
        let read: Vec<_> = pairs(&text).collect();
        assert_eq!(
            read,
            [
                ("user", r"al\x0a\x22 tls=x\x5c"),
                ("sni", "mail.example.org"),
                ("empty", ""),
                ("try", "2"),
                ("secs", "12.034")
            ]
        );
        assert_eq!(pairs("no pair").count() + pairs("a=\"b").count() + pairs("").count(), 0);
    }
}
