//! The argument of BDAT (RFC 3030, section 2).

/// The largest size that servers read alike: what 63 bits hold.
const LARGEST: u64 = i64::MAX as u64;

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
    let size = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (size <= LARGEST).then_some(size)
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
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("99999999999999999999999999", None),
        ] {
            assert_eq!(size(argument.as_bytes()), read, "{argument:?}");
        }
    }
}
