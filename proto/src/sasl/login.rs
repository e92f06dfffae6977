//! LOGIN (draft-murchison-sasl-login, never a standard): user, then password.

use super::{Credential, Exchange, Mechanism, Next};
use crate::secret::Secret;
use alloc::vec::Vec;

/// The exchange: what the next response holds.
pub enum Login {
    /// The user's name.
    User,
    /// That user's password.
    Password(Vec<u8>),
}

impl Login {
    /// As every client expects them.
    pub(super) const fn challenge(&self) -> &'static [u8] {
        match self {
            Self::User => b"Username:",
            Self::Password(_) => b"Password:",
        }
    }

    pub(super) fn respond(self, response: &Secret) -> Next {
        match self {
            Self::User => {
                let next = Self::Password(response.expose().to_vec());
                Next::Ask(next.challenge(), Exchange::Login(next))
            }
            Self::Password(user) => {
                Next::Try(Credential::of(&user, response.expose()).by(Mechanism::Login))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_user_and_then_for_the_password() {
        let said = |text: &[u8]| Secret::from(text.to_vec());
        assert_eq!(Login::User.challenge(), b"Username:");
        let Next::Ask(challenge, exchange) = Login::User.respond(&said(b"alice")) else {
            panic!("does not ask");
        };
        assert_eq!(challenge, b"Password:");
        let Next::Try(credential) = exchange.respond(&said(b"a b")) else {
            panic!("does not try");
        };
        assert_eq!(
            (&credential.user[..], credential.password.expose()),
            (&b"alice"[..], &b"a b"[..])
        );
        assert!(credential.is_for_oneself());
    }
}
