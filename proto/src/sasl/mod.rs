//! SASL (RFC 4422) as mail protocols carry it: base64, and a file for each mechanism.
//!
//! A mechanism is asked for its first challenge and told each response; it says what
//! comes next. How a challenge or a refusal looks on the wire is the protocol's
//! (`login::protocol`), and who holds the exchange is `login::dialog`.

mod login;
mod plain;

use crate::secret::Secret;
use alloc::vec;
use alloc::vec::Vec;
use base64ct::{Base64, Encoding};

/// A mechanism that a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Never standardized and still in use: user, then password.
    Login,
    /// RFC 4616: everything in one response.
    Plain,
}

impl Mechanism {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::Login, Self::Plain];

    /// The mechanism's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Plain => "PLAIN",
        }
    }

    /// Reads a mechanism's name, without case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|one| name.eq_ignore_ascii_case(one.name().as_bytes()))
    }

    /// An exchange that begins.
    #[must_use]
    pub const fn begin(self) -> Exchange {
        match self {
            Self::Login => Exchange::Login(login::Login::User),
            Self::Plain => Exchange::Plain(plain::Plain),
        }
    }
}

/// An exchange that waits for a response. Not printable: it may hold what is not to be
/// seen.
pub enum Exchange {
    /// [`Mechanism::Login`].
    Login(login::Login),
    /// [`Mechanism::Plain`].
    Plain(plain::Plain),
}

/// What a response leads to.
pub enum Next {
    /// Send this challenge, and go on with the exchange.
    Ask(&'static [u8], Exchange),
    /// The exchange is over, and this is to be tried.
    Try(Credential),
    /// The response is not what the mechanism has; the exchange is over.
    Malformed,
}

impl Exchange {
    /// The challenge that asks for the first response, for a client that has not sent it
    /// with its command.
    #[must_use]
    pub const fn challenge(&self) -> &'static [u8] {
        match self {
            Self::Login(login) => login.challenge(),
            Self::Plain(plain) => plain.challenge(),
        }
    }

    /// Takes a response, decoded; it may be empty.
    #[must_use]
    pub fn respond(self, response: &Secret) -> Next {
        match self {
            Self::Login(login) => login.respond(response),
            Self::Plain(plain) => plain.respond(response),
        }
    }
}

/// Who wants to log in, and with what. Each of it may be empty, or hold a NUL. Not
/// printable.
pub struct Credential {
    /// Whom the client wants to be; empty: the user.
    pub authorization_id: Vec<u8>,
    /// The user whose password it gives.
    pub user: Vec<u8>,
    /// The password.
    pub password: Secret,
    /// By which mechanism; `None`: by a command of the protocol's own.
    pub mechanism: Option<Mechanism>,
}

impl Credential {
    /// A user's own password.
    #[must_use]
    pub fn of(user: &[u8], password: &[u8]) -> Self {
        let password = Secret::from(password.to_vec());
        Self { authorization_id: Vec::new(), user: user.to_vec(), password, mechanism: None }
    }

    /// The same, by this mechanism.
    #[must_use]
    pub fn by(self, mechanism: Mechanism) -> Self {
        Self { mechanism: Some(mechanism), ..self }
    }

    /// Whether the user asks for nobody's rights but their own.
    #[must_use]
    pub fn is_for_oneself(&self) -> bool {
        self.authorization_id.is_empty() || self.authorization_id == self.user
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

/// Encodes a challenge.
#[must_use]
pub fn encode(challenge: &[u8]) -> Vec<u8> {
    let mut encoded = vec![0; Base64::encoded_len(challenge)];
    let length = Base64::encode(challenge, &mut encoded).map_or(0, str::len);
    encoded.truncate(length);
    encoded
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
    fn d36_the_authorization_id_is_empty_or_the_user() {
        for (authorization_id, for_oneself) in [("", true), ("alice", true), ("bob", false)] {
            let authorization_id = authorization_id.into();
            let credential = Credential { authorization_id, ..Credential::of(b"alice", b"x") };
            assert_eq!(credential.is_for_oneself(), for_oneself);
        }
    }

    #[test]
    fn mechanisms_are_named_without_case() {
        assert_eq!(Mechanism::named(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::named(b"LoGiN"), Some(Mechanism::Login));
        assert_eq!(Mechanism::named(b"CRAM-MD5"), None);
        assert_eq!(Mechanism::named(b""), None);
    }
}
