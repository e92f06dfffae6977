//! How bytes that a stranger chose are shown in a log line.
//!
//! One log line per event is an interface: people's filters match it. So no octet
//! of a user name may end a line, colour a terminal or pass for our own words.

use core::fmt::{self, Write};

/// Characters shown of one value; the rest is cut and marked. Long enough for any
/// name that can log in (see [`crate::checkpassword::LIMIT`]) and is ASCII, and short
/// enough for a line that holds a name twice.
pub const SHOWN: usize = 512;

/// Shows bytes as printable ASCII: anything else, and the backslash, as `\xNN`;
/// past [`SHOWN`] characters, `...`.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = SHOWN;
        for &byte in self.0 {
            let is_plain = matches!(byte, b' '..=b'~') && byte != b'\\';
            let Some(fits) = left.checked_sub(if is_plain { 1 } else { 4 }) else {
                return f.write_str("...");
            };
            left = fits;
            if is_plain {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn d05_a_line_break_cannot_forge_a_log_line() {
        let name = b"a\nauthup 1 checkpassword 2 succeeded\r\0\x1b[2J\\ \xc3\xa9";
        assert_eq!(
            format!("{}", Escaped(name)),
            "a\\x0aauthup 1 checkpassword 2 succeeded\\x0d\\x00\\x1b[2J\\x5c \\xc3\\xa9"
        );
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        let shown = format!("{}", Escaped(&[b'x'; SHOWN + 1]));
        assert_eq!(shown.len(), SHOWN + 3);
        assert!(shown.ends_with("x..."));
        let shown = format!("{}", Escaped(&[0xff; SHOWN]));
        assert_eq!(shown.len(), SHOWN + 3, "what is shown counts, not what is held");
        assert_eq!(format!("{}", Escaped(&[b'x'; SHOWN])).len(), SHOWN);
    }
}
