//! The grammar of qmail's control files.
//!
//! It knows what a file's contents mean; `unix::control` reads them. A line may end in
//! CR LF: a CR there is white space, as it can never be meant.

use alloc::vec::Vec;

/// Seconds to wait for input where `timeoutsmtpd` or `timeoutpop3d` says nothing.
pub const TIMEOUT: u64 = 1200;

/// The same where `timeoutimapd` says nothing (RFC 3501, section 5.4: no less than 30
/// minutes).
pub const TIMEOUT_IMAP: u64 = 1800;

/// Seconds that the whole time before a good login may take where `timeoutlogin`
/// says nothing.
pub const TIMEOUT_LOGIN: u64 = 600;

/// The value of a one-line file: its first line, without white space at its end.
#[must_use]
pub fn one_line(contents: &[u8]) -> &[u8] {
    trim_end(contents.split(|&byte| byte == b'\n').next().unwrap_or_default())
}

/// The entries of a list file with their line numbers, counted from one: lines
/// without white space at their end, but for blank ones and those that begin
/// with `#`.
pub fn list(contents: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = contents.split(|&byte| byte == b'\n').map(trim_end);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

/// The entries of a list file, as owned lines.
#[must_use]
pub fn lines(contents: &[u8]) -> Vec<Vec<u8>> {
    list(contents).map(|(_, line)| line.to_vec()).collect()
}

/// The words of a list file, any number to a line.
#[must_use]
pub fn words(contents: &[u8]) -> Vec<Vec<u8>> {
    let words = list(contents).flat_map(|(_, line)| line.split(|byte| b" \t".contains(byte)));
    words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
}

/// A number of seconds: the digits that a one-line file begins with, as qmail
/// reads it; `None` where it begins with none, or where they are too many.
#[must_use]
pub fn seconds(contents: &[u8]) -> Option<u64> {
    let digits = contents.iter().take_while(|byte| byte.is_ascii_digit()).count();
    core::str::from_utf8(contents.get(..digits)?).ok()?.parse().ok()
}

fn trim_end(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    line.get(..kept.map_or(0, |at| at + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_files() {
        for (contents, value) in [
            ("mail.example.org\n", "mail.example.org"),
            ("mail.example.org ready \t\nmore\n", "mail.example.org ready"),
            ("no newline", "no newline"),
            ("", ""),
            ("\nsecond", ""),
            (" leading kept\n", " leading kept"),
        ] {
            assert_eq!(one_line(contents.as_bytes()), value.as_bytes());
        }
    }

    #[test]
    fn list_files_skip_comments_and_blank_lines() {
        let entries: Vec<_> = list(b"# head\nPIPELINING\n\n 8BITMIME \t\n \t\nlast").collect();
        assert_eq!(entries, [(2, &b"PIPELINING"[..]), (4, b" 8BITMIME"), (6, b"last")]);
    }

    #[test]
    fn words_stand_in_any_line() {
        let found = words(b"# none of these\nIDLE  NAMESPACE\t\n\n UIDPLUS\rX");
        assert_eq!(found, [&b"IDLE"[..], b"NAMESPACE", b"UIDPLUS\rX"]);
    }

    #[test]
    fn d64_cr_lf_ends_a_line() {
        assert_eq!(one_line(b"mail.example.org\r\nmore\r\n"), b"mail.example.org");
        assert_eq!(one_line(b"mail.example.org \r"), b"mail.example.org");
        let entries: Vec<_> = list(b"# head\r\nSIZE 100\r\n\r\n \t\r\n8BIT\rMIME\r").collect();
        assert_eq!(entries, [(2, &b"SIZE 100"[..]), (5, b"8BIT\rMIME")]);
        assert_eq!(words(b"IDLE UIDPLUS\r\n"), [&b"IDLE"[..], b"UIDPLUS"]);
        assert_eq!(seconds(b"30\r\n"), Some(30));
    }

    #[test]
    fn seconds_are_leading_digits() {
        assert_eq!(seconds(b"30\n"), Some(30));
        assert_eq!(seconds(b"45 s"), Some(45));
        assert_eq!(seconds(b"soon"), None);
        assert_eq!(seconds(b""), None);
        assert_eq!(seconds(b"99999999999999999999999"), None);
    }
}
