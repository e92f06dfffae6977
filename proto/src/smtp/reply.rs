//! Lines of a reply (RFC 5321, section 4.2.1).

/// Splits a line at its line ending: LF, with one CR before it if there is one.
#[must_use]
pub fn split_ending(line: &[u8]) -> (&[u8], &[u8]) {
    let text =
        line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
    line.split_at_checked(text.len()).unwrap_or((line, &[]))
}

/// Whether a line is the last of its reply: its fourth character is a space, or it
/// is a code and nothing else.
#[must_use]
pub fn is_last(line: &[u8]) -> bool {
    let (text, _) = split_ending(line);
    match text.get(3) {
        Some(&fourth) => fourth == b' ',
        None => text.len() == 3 && text.iter().all(u8::is_ascii_digit),
    }
}

/// Whether a reply's line has a code that begins with this digit.
#[must_use]
pub fn has_class(line: &[u8], digit: u8) -> bool {
    line.first() == Some(&digit)
}

/// Whether a line of an EHLO reply offers this extension, named without case.
#[must_use]
pub fn offers(line: &[u8], keyword: &[u8]) -> bool {
    let (text, _) = split_ending(line);
    let offer = text.get(4..).unwrap_or_default();
    let word = offer.split(|&byte| byte == b' ').next().unwrap_or_default();
    word.eq_ignore_ascii_case(keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_a_space() {
        for (line, last) in [
            ("250 ok\r\n", true),
            ("250-more\r\n", false),
            ("250\r\n", true),
            ("250\n", true),
            ("250 ", true),
            ("ok\r\n", false),
            ("\r\n", false),
            ("oops\r\n", false),
            ("say hello\r\n", true),
        ] {
            assert_eq!(is_last(line.as_bytes()), last, "{line}");
        }
    }

    #[test]
    fn extensions_are_words() {
        assert!(offers(b"250-STARTTLS\r\n", b"STARTTLS"));
        assert!(offers(b"250 starttls\n", b"STARTTLS"));
        assert!(offers(b"250-SIZE 1000\r\n", b"size"));
        assert!(!offers(b"250-STARTTLSX\r\n", b"STARTTLS"));
        assert!(!offers(b"250", b"STARTTLS"));
    }
}
