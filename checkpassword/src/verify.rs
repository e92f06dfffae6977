//! Computes password hashes, by the library for each kind.
//!
//! Which kind a text is, and that it is whole, was decided in `proto`. All of the
//! libraries compare in constant time.

use argon2::Argon2;
use argon2::password_hash::{Error, PasswordVerifier};
use proto::password_hash::{PasswordHash, Scheme};
use sha_crypt::ShaCrypt;
use yescrypt::Yescrypt;

/// The library could not compute the hash: its parameters are out of bounds, or
/// there is no memory for them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uncomputable;

/// Whether `password` is the one that `hash` was made of.
pub(crate) fn fits(hash: &PasswordHash<'_>, password: &[u8]) -> Result<bool, Uncomputable> {
    let text = hash.as_str();
    match hash.scheme() {
        Scheme::Argon2id => verdict(Argon2::default().verify_password(password, text)),
        Scheme::Sha512Crypt | Scheme::Sha256Crypt => {
            verdict(ShaCrypt::default().verify_password(password, text))
        }
        Scheme::Yescrypt => verdict(Yescrypt::default().verify_password(password, text)),
        Scheme::Bcrypt => bcrypt::verify(password, text).map_err(|_| Uncomputable),
    }
}

fn verdict(result: Result<(), Error>) -> Result<bool, Uncomputable> {
    match result {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(Uncomputable),
    }
}
