//! SASL as SMTP AUTH carries it: base64, and the mechanisms PLAIN and LOGIN.

use crate::secret::Secret;
use alloc::vec;
use base64ct::{Base64, Encoding};

/// A mechanism that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: everything in one response.
    Plain,
    /// Never standardized and still in use: user, then password.
    Login,
}

impl Mechanism {
    /// Reads a mechanism's name, without case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        [(&b"PLAIN"[..], Self::Plain), (b"LOGIN", Self::Login)]
            .into_iter()
            .find_map(|(known, mechanism)| name.eq_ignore_ascii_case(known).then_some(mechanism))
    }
}

/// Decodes base64 strictly (RFC 4648, section 4): padding where it belongs, no
/// other characters, no bits left over. `None` for anything else.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Secret> {
    let mut decoded = vec![0; text.len() / 4 * 3 + 3];
    let outcome = Base64::decode(text, &mut decoded).map(<[u8]>::len);
    let length = outcome.unwrap_or(0);
    decoded.truncate(length);
    let decoded = Secret::from(decoded);
    outcome.is_ok().then_some(decoded)
}

/// The three strings of a PLAIN response (RFC 4616, section 2). Not printable: it
/// holds a password.
pub struct Plain<'a> {
    /// Whom the client wants to be; empty: the user.
    pub authorization_id: &'a [u8],
    /// The user whose password it gives.
    pub user: &'a [u8],
    /// The password, which may hold NULs here: the checkpassword record refuses it.
    pub password: &'a [u8],
}

impl<'a> Plain<'a> {
    /// Splits a decoded response at its first two NULs.
    #[must_use]
    pub fn parse(response: &'a [u8]) -> Option<Self> {
        let mut parts = response.splitn(3, |&byte| byte == 0);
        Some(Self { authorization_id: parts.next()?, user: parts.next()?, password: parts.next()? })
    }

    /// Whether the user asks for nobody's rights but their own.
    #[must_use]
    pub fn is_for_oneself(&self) -> bool {
        self.authorization_id.is_empty() || self.authorization_id == self.user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d01_only_strict_base64_is_taken() {
        for (text, decoded) in [
            ("", Some("")),
            ("YQ==", Some("a")),
            ("YWI=", Some("ab")),
            ("YWJj", Some("abc")),
            ("=", None),
            ("==", None),
            ("===", None),
            ("====", None),
            ("Y", None),
            ("YQ", None),
            ("YQ=", None),
            ("YQ===", None),
            ("YR==", None),
            ("YQ==YQ==", None),
            ("Y=Q=", None),
            ("YW Jj", None),
            ("YWJj ", None),
            ("YWJ-", None),
            ("YWJ\u{e9}", None),
        ] {
            let got = decode(text.as_bytes());
            assert_eq!(got.as_ref().map(Secret::expose), decoded.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn plain_has_three_parts() {
        let plain = Plain::parse(b"\0alice\0a\0b").unwrap();
        assert_eq!((plain.user, plain.password), (&b"alice"[..], &b"a\0b"[..]));
        assert!(Plain::parse(b"alice\0secret").is_none());
        assert!(Plain::parse(b"").is_none());
    }

    #[test]
    fn d36_the_authorization_id_is_empty_or_the_user() {
        assert!(Plain::parse(b"\0alice\0x").unwrap().is_for_oneself());
        assert!(Plain::parse(b"alice\0alice\0x").unwrap().is_for_oneself());
        assert!(!Plain::parse(b"bob\0alice\0x").unwrap().is_for_oneself());
    }

    #[test]
    fn mechanisms_are_named_without_case() {
        assert_eq!(Mechanism::named(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::named(b"LoGiN"), Some(Mechanism::Login));
        assert_eq!(Mechanism::named(b"CRAM-MD5"), None);
        assert_eq!(Mechanism::named(b""), None);
    }
}
