//! Where a literal is announced: `{n}` or `{n+}` at a line's end (RFC 9051, section 4.3;
//! RFC 7888).
//!
//! Boundaries come before grammar: whatever a line says, and however it is refused, the
//! octets that it announces are never read as commands.

/// The longest literal that a client may send without being asked, in octets
/// (LITERAL-: RFC 7888, section 5).
pub const LONGEST_UNASKED: usize = 4_096;

/// The most digits that are read; with more the literal is longer than any limit.
const DIGITS: usize = 10;

/// What the end of a line announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    /// Nothing: the command ends with the line.
    None,
    /// `{n}`: so many octets, once the client has been asked for them.
    Asked(usize),
    /// `{n+}`: so many octets are on their way, and then the rest of the command.
    Unasked(usize),
    /// It ends like the second and has no number: nobody knows what follows.
    Unreadable,
}

/// Looks at a line, without its ending.
#[must_use]
pub fn announced(line: &[u8]) -> Literal {
    let Some(line) = line.strip_suffix(b"}") else { return Literal::None };
    let (inner, unasked) = match line.strip_suffix(b"+") {
        Some(inner) => (inner, true),
        None => (line, false),
    };
    let digits = memchr::memrchr(b'{', inner).and_then(|at| inner.get(at + 1..));
    match (digits.and_then(number), unasked) {
        (Some(length), false) => Literal::Asked(length),
        (Some(length), true) => Literal::Unasked(length),
        (None, true) if digits.is_some() => Literal::Unreadable,
        (None, _) => Literal::None,
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let read = core::str::from_utf8(digits).ok()?.parse();
    Some(read.ok().filter(|_| digits.len() <= DIGITS).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::Literal::{Asked, None, Unasked, Unreadable};
    use super::*;

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        for (line, found) in [
            ("", None),
            ("a LOGIN u p", None),
            ("a LOGIN {5}", Asked(5)),
            ("a LOGIN {0}", Asked(0)),
            ("a LOGIN {5+}", Unasked(5)),
            ("a LOGIN {007+}", Unasked(7)),
            ("a LOGIN \"{5+}", Unasked(5)),
            ("~{5}", Asked(5)),
            ("{{5+}", Unasked(5)),
            ("{5+} ", None),
            ("{5 +}", Unreadable),
            ("{+}", Unreadable),
            ("{-1+}", Unreadable),
            ("{5++}", Unreadable),
            ("+}", None),
            ("}", None),
            ("{}", None),
            ("{x}", None),
            ("{4294967296}", Asked(4_294_967_296)),
            ("{00000000001}", Asked(usize::MAX)),
            ("{99999999999999999999999+}", Unasked(usize::MAX)),
        ] {
            assert_eq!(announced(line.as_bytes()), found, "{line:?}");
        }
    }
}
