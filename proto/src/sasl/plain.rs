//! PLAIN (RFC 4616): authorization id, user and password in one response.

use super::{Credential, Mechanism, Next};
use crate::secret::Secret;

/// The exchange: one response is all of it.
pub struct Plain;

impl Plain {
    /// Empty: the client speaks first.
    pub(super) const fn challenge(&self) -> &'static [u8] {
        b""
    }

    /// Splits the response at its first two NULs.
    pub(super) fn respond(self, response: &Secret) -> Next {
        let mut parts = response.expose().splitn(3, |&octet| octet == 0);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(authorization_id), Some(user), Some(password)) => {
                let authorization_id = authorization_id.to_vec();
                let credential = Credential::of(user, password).by(Mechanism::Plain);
                Next::Try(Credential { authorization_id, ..credential })
            }
            _ => Next::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respond(response: &[u8]) -> Option<Credential> {
        match Plain.respond(&Secret::from(response.to_vec())) {
            Next::Try(credential) => Some(credential),
            Next::Malformed => None,
            Next::Ask(..) => panic!("asks for more"),
        }
    }

    #[test]
    fn a_response_has_three_parts() {
        let credential = respond(b"bob\0alice\0a\0b").unwrap();
        assert_eq!(credential.authorization_id, b"bob");
        assert_eq!(credential.user, b"alice");
        assert_eq!(credential.password.expose(), b"a\0b");
        let empty = respond(b"\0\0").unwrap();
        assert!(empty.user.is_empty() && empty.password.expose().is_empty());
        assert!(respond(b"alice\0secret").is_none());
        assert!(respond(b"").is_none());
    }
}
