//! Patterns over lines: POSIX fnmatch without flags, in the C locale (POSIX.1-2017,
//! XCU 2.13). A slash and a leading dot are ordinary; a backslash quotes. Character
//! classes, `[:alpha:]` and the like, are left out: colons end a rule's field.

pub mod reach;

/// Whether `text` matches `pattern`, whole. Takes time in proportion to their
/// lengths' product at worst.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where the last star stood, and the text that it has not yet swallowed.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        let step = match (text, pattern) {
            ([], []) => return true,
            ([octet, more @ ..], _) => one(pattern, *octet).map(|rest| (rest, more)),
            ([], _) => return false,
        };
        match (step, star) {
            (Some(next), _) => (pattern, text) = next,
            (None, Some((rest, [_, swallowed @ ..]))) => {
                star = Some((rest, swallowed));
                (pattern, text) = (rest, swallowed);
            }
            (None, _) => return false,
        }
    }
}

/// Matches one octet; returns the pattern's rest, or `None`.
fn one(pattern: &[u8], octet: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'\\', quoted, rest @ ..] => (*quoted == octet).then_some(rest),
        // A backslash with nothing to quote matches nothing.
        [b'\\'] => None,
        [b'[', inside @ ..] => match bracket(inside, octet) {
            Some((matched, rest)) => matched.then_some(rest),
            // Never closed: an ordinary character.
            None => (octet == b'[').then_some(inside),
        },
        [plain, rest @ ..] => (*plain == octet).then_some(rest),
        [] => None,
    }
}

/// A bracket expression, from behind its `[`: whether it matches, and what follows
/// its `]`. `None` where there is no `]`.
fn bracket(inside: &[u8], octet: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match inside {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, inside),
    };
    let mut matched = false;
    let mut first = true;
    loop {
        if let ([b']', after @ ..], false) = (rest, first) {
            return Some((matched != negated, after));
        }
        first = false;
        let (low, after) = element(rest)?;
        let (high, after) = match after {
            [b'-', end @ ..] if !matches!(end, [b']', ..] | []) => element(end)?,
            _ => (low, after),
        };
        matched |= (low..=high).contains(&octet);
        rest = after;
    }
}

/// One end of a range: a character, a quoted one, `[.x.]` or `[=x=]`.
fn element(rest: &[u8]) -> Option<(u8, &[u8])> {
    match rest {
        [b'[', b'.', x, b'.', b']', after @ ..] | [b'[', b'=', x, b'=', b']', after @ ..] => {
            Some((*x, after))
        }
        [b'\\', quoted, after @ ..] => Some((*quoted, after)),
        [plain, after @ ..] => Some((*plain, after)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("250 ok", &["250 ok"][..], &["250 ok\r\n", "250 o", ""][..]),
            ("250 ok*", &["250 ok", "250 ok\r\n"], &["250 o"]),
            ("*", &["", "x", "a/b", ".a\r\n"], &[]),
            ("2*", &["2", "250-x\r\n"], &["", "350"]),
            ("250?AUTH*", &["250-AUTH LOGIN\r\n", "250 AUTH"], &["250-XAUTH", "250AUTH"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a"]),
            ("**x", &["x", "axx"], &["", "xa"]),
            ("?", &["a", "\r"], &["", "ab"]),
            ("[45]*", &["4", "550 no"], &["2", ""]),
            ("[!45]*", &["2"], &["4", "5x"]),
            ("[^45]*", &["2"], &["4"]),
            ("[a-c]", &["a", "b", "c"], &["d", "-"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[]x]", &["]", "x"], &["a"]),
            ("[!]]", &["x"], &["]"]),
            ("[[.-.]a]", &["-", "a"], &["."]),
            ("[[=a=]]", &["a"], &["="]),
            ("[\\]]", &["]"], &["\\"]),
            ("[z-a]", &[], &["a", "m", "z"]),
            ("[ab", &["[ab"], &["a", "b"]),
            ("[", &["["], &["a"]),
            ("[!", &["[!"], &["a"]),
            ("\\*", &["*"], &["a", "\\"]),
            ("\\a", &["a"], &["\\a"]),
            ("a\\", &[], &["a", "a\\"]),
        ] {
            for text in yes {
                assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern:?} {text:?}");
            }
            for text in no {
                assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern:?} {text:?}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = b"*a".repeat(200);
        let mut text = std::vec![b'a'; 5_000];
        text.push(b'b');
        assert!(!matches(&pattern, &text));
    }
}
