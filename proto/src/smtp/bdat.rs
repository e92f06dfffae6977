//! The argument of BDAT (RFC 3030, section 2).

/// Reads a chunk's size, in octets; `None` where the argument is not of the form
/// `SIZE [LAST]`. Nothing is guessed: two programs that read a size differently
/// disagree on where the next command begins.
#[must_use]
pub fn size(argument: &[u8]) -> Option<u64> {
    let mut words = argument.split(|&byte| byte == b' ');
    let digits = words.next().filter(|word| word.iter().all(u8::is_ascii_digit))?;
    match (words.next(), words.next()) {
        (None, None) => {}
        (Some(last), None) if last.eq_ignore_ascii_case(b"LAST") => {}
        _ => return None,
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (argument, read) in [
            ("0", Some(0)),
            ("86 LAST", Some(86)),
            ("1000 last", Some(1000)),
            ("", None),
            ("+5", None),
            ("-5", None),
            ("0x5", None),
            ("5 ", None),
            ("5  LAST", None),
            ("5 FIRST", None),
            ("5 LAST now", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(size(argument.as_bytes()), read, "{argument:?}");
        }
    }
}
