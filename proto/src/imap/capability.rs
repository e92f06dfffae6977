//! What the administrator lets a client be told in the greeting (RFC 9051, sections 7.1
//! and 9): text and capabilities. A word that the grammar does not have would end what it
//! stands in, and what comes behind it be read as something else.

use super::token::is_atom_char;

/// What the dialog offers by itself, besides TLS and mechanisms.
pub const ALWAYS: &str = "IMAP4rev1 LITERAL- SASL-IR ID";

/// Capabilities that are the dialog's to list, and never the administrator's: what they
/// promise changes with TLS, or is not kept.
const NOT_LISTED: [&[u8]; 3] = [b"LITERAL+", b"STARTTLS", b"LOGINDISABLED"];

/// Why a word cannot be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// It is no atom.
    NoAtom,
    /// It is the dialog's to list.
    Ours,
}

/// Looks at a capability that is to be listed.
///
/// # Errors
/// It cannot be.
pub fn check(word: &[u8]) -> Result<(), Unlisted> {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    let is_mechanism = word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH="));
    if word.is_empty() || !word.iter().all(|&octet| octet.is_ascii() && is_atom_char(octet)) {
        Err(Unlisted::NoAtom)
    } else if is_mechanism || NOT_LISTED.into_iter().any(is) {
        Err(Unlisted::Ours)
    } else {
        Ok(())
    }
}

/// Whether the dialog offers this by itself, be it only now and then.
#[must_use]
pub fn is_own(word: &[u8]) -> bool {
    let mut always = ALWAYS.split(' ').map(str::as_bytes);
    always.any(|own| own.eq_ignore_ascii_case(word)) || check(word) == Err(Unlisted::Ours)
}

/// Whether this can stand as the text of a greeting: printable ASCII, and not the
/// beginning of a response code.
#[must_use]
pub fn is_text(greeting: &[u8]) -> bool {
    let printable = greeting.iter().all(|octet| matches!(octet, b' '..=b'~'));
    printable && !greeting.is_empty() && !greeting.starts_with(b"[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d58_what_may_be_listed() {
        for (word, found) in [
            ("IDLE", Ok(())),
            ("LITERAL-", Ok(())),
            ("THREAD=REFERENCES", Ok(())),
            ("auth=PLAIN", Err(Unlisted::Ours)),
            ("literal+", Err(Unlisted::Ours)),
            ("StartTLS", Err(Unlisted::Ours)),
            ("LOGINDISABLED", Err(Unlisted::Ours)),
            ("", Err(Unlisted::NoAtom)),
            ("X]", Err(Unlisted::NoAtom)),
            ("X(", Err(Unlisted::NoAtom)),
            ("\u{e9}", Err(Unlisted::NoAtom)),
        ] {
            assert_eq!(check(word.as_bytes()), found, "{word}");
        }
    }

    #[test]
    fn what_is_the_dialogs_own() {
        for word in ["imap4rev1", "ID", "SASL-IR", "LITERAL-", "LITERAL+", "AUTH=PLAIN", "STARTTLS"]
        {
            assert!(is_own(word.as_bytes()), "{word}");
        }
        for word in ["IDLE", "IMAP4rev2", "IDX", "X]"] {
            assert!(!is_own(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn d58_what_may_greet() {
        assert!(is_text(b"mail.example.org ready"));
        for text in [&b""[..], b"[ALERT] x", b"a\tb", b"caf\xe9"] {
            assert!(!is_text(text), "{:?}", text.escape_ascii());
        }
    }
}
