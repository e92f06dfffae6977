//! How bytes are written in a case, and how expectations are.
//!
//! Escapes: `\r \n \t \0 \s` (a space) `\\ \{ \xNN`. Braces: `{N*TEXT}` is TEXT N
//! times, `{b64:TEXT}` its base64, `{NAME}` a number: the first time any number,
//! from then on that number; `{*}` anything but a line end.
//! Called by `case`; used by `play`.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};

/// The numbers that a run has bound to names, `pid` among them, as decimal digits.
pub type Names = HashMap<String, Vec<u8>>;

/// One element of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Number(String),
    Anything,
}

/// A text of a case: bytes to send, or what is expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Vec<Piece>);

impl Text {
    /// Reads the notation described above.
    pub fn parse(written: &str) -> Result<Self> {
        let mut text = Self::default();
        let mut rest = written;
        while let Some(first) = rest.chars().next() {
            let used = match first {
                '\\' => text.escape(rest)?,
                '{' => text.brace(rest)?,
                plain => {
                    let mut utf8 = [0; 4];
                    text.push(plain.encode_utf8(&mut utf8).as_bytes());
                    plain.len_utf8()
                }
            };
            rest = rest.get(used..).context("an escape is cut short")?;
        }
        Ok(text)
    }

    /// The same text with `end` behind it.
    #[must_use]
    pub fn with_end(mut self, end: &[u8]) -> Self {
        self.push(end);
        self
    }

    /// How many line feeds a match of this text holds.
    #[must_use]
    pub fn line_feeds(&self) -> usize {
        let count = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.iter().filter(|byte| **byte == b'\n').count(),
            Piece::Number(_) | Piece::Anything => 0,
        };
        self.0.iter().map(count).sum()
    }

    /// The bytes that this text stands for, if it stands for just these.
    #[must_use]
    pub fn exactly(&self, names: &Names) -> Option<Vec<u8>> {
        self.bytes(names).ok()
    }

    /// The bytes to send.
    pub fn bytes(&self, names: &Names) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => all.extend_from_slice(bytes),
                Piece::Number(name) => {
                    all.extend_from_slice(
                        names.get(name).with_context(|| format!("{{{name}}} is not known yet"))?,
                    );
                }
                Piece::Anything => bail!("{{*}} cannot be sent"),
            }
        }
        Ok(all)
    }

    /// Whether `got` is what this text describes; binds names if so.
    pub fn matches(&self, got: &[u8], names: &mut Names) -> bool {
        let mut bound = names.clone();
        let matched = pieces_match(&self.0, got, &mut bound);
        if matched {
            *names = bound;
        }
        matched
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(Piece::Bytes(last)) = self.0.last_mut() {
            last.extend_from_slice(bytes);
        } else {
            self.0.push(Piece::Bytes(bytes.to_vec()));
        }
    }

    fn escape(&mut self, rest: &str) -> Result<usize> {
        let letter = rest.chars().nth(1).context("a backslash at the end")?;
        let byte = match letter {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            's' => b' ',
            '\\' => b'\\',
            '{' => b'{',
            '}' => b'}',
            'x' => {
                let digits = rest.get(2..4).context("\\x wants two digits")?;
                self.push(&[u8::from_str_radix(digits, 16)?]);
                return Ok(4);
            }
            other => bail!("unknown escape \\{other}"),
        };
        self.push(&[byte]);
        Ok(2)
    }

    fn brace(&mut self, rest: &str) -> Result<usize> {
        let end = closing(rest).context("a brace is not closed")?;
        let inside = rest.get(1..end).unwrap_or_default();
        if inside == "*" {
            self.0.push(Piece::Anything);
        } else if let Some(secret) = inside.strip_prefix("b64:") {
            let plain = Self::parse(secret)?.bytes(&Names::new())?;
            self.push(Base64::encode_string(&plain).as_bytes());
        } else if let Some((times, what)) = inside.split_once('*') {
            let plain = Self::parse(what)?.bytes(&Names::new())?;
            self.push(
                &plain.repeat(times.parse().with_context(|| format!("{times} is no number"))?),
            );
        } else {
            ensure!(
                inside.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "unknown brace {{{inside}}}"
            );
            self.0.push(Piece::Number(inside.to_owned()));
        }
        Ok(end + 1)
    }
}

/// Where the brace that opens `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn pieces_match(pieces: &[Piece], got: &[u8], names: &mut Names) -> bool {
    let Some((piece, rest)) = pieces.split_first() else {
        return got.is_empty();
    };
    match piece {
        Piece::Bytes(bytes) => {
            got.strip_prefix(bytes.as_slice()).is_some_and(|left| pieces_match(rest, left, names))
        }
        Piece::Number(name) => {
            let digits = got.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (number, left) = got.split_at(digits);
            let known = names.entry(name.clone()).or_insert_with(|| number.to_vec());
            digits > 0 && known == number && pieces_match(rest, left, names)
        }
        Piece::Anything => {
            let longest = got.iter().take_while(|byte| **byte != b'\n').count();
            (0..=longest)
                .any(|length| pieces_match(rest, got.split_at(length).1, &mut names.clone()))
        }
    }
}

/// Bytes as a case writes them, shortened in the middle when long.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    let shown = |part: &[u8]| part.escape_ascii().to_string().replace("\\n", "\\n\n        ");
    if bytes.len() <= 600 {
        return shown(bytes);
    }
    let (head, rest) = bytes.split_at(120);
    let (middle, tail) = rest.split_at(rest.len() - 120);
    format!("{} [... {} octets ...] {}", shown(head), middle.len(), shown(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str) -> Text {
        Text::parse(written).expect("parses")
    }

    #[test]
    fn escapes_and_braces_become_bytes() {
        let sent = |written: &str| text(written).bytes(&Names::new()).expect("has bytes");
        assert_eq!(sent("a\\r\\n\\0\\xff\\s\\{"), b"a\r\n\0\xff {");
        assert_eq!(sent("{3*ab}"), b"ababab");
        assert_eq!(sent("{b64:\\0bob\\0x}"), b"AGJvYgB4");
        assert_eq!(sent("{b64:{3*x}}"), b"eHh4");
        assert!(Text::parse("\\q").is_err());
        assert!(Text::parse("{").is_err());
    }

    #[test]
    fn a_name_holds_its_first_number() {
        let mut names = Names::new();
        assert!(text("pid {n}.").matches(b"pid 12.", &mut names));
        assert!(text("{n}").matches(b"12", &mut names));
        assert!(!text("{n}").matches(b"13", &mut names));
        assert!(!text("{other}").matches(b"", &mut names));
    }

    #[test]
    fn a_wildcard_stays_on_its_line() {
        let mut names = Names::new();
        assert!(text("a {*} c\\n").matches(b"a b b c\n", &mut names));
        assert!(text("a{*}c").matches(b"ac", &mut names));
        assert!(!text("a{*}c").matches(b"a\nc", &mut names));
    }
}
