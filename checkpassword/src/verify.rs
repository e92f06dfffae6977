//! Computes password hashes, by the library for each kind.
//!
//! Which kind a text is, and that it is whole, was decided in `proto`. All of the
//! libraries compare in constant time.

use argon2::Argon2;
use argon2::password_hash::{Error, PasswordVerifier};
use proto::password_hash::{PasswordHash, Scheme};
use sha_crypt::ShaCrypt;
use std::hint::black_box;
use yescrypt::Yescrypt;

/// Why there is no answer to whether a password fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incomputable {
    /// The library does not take the parameters.
    Parameters,
    /// There is not enough memory.
    Memory,
}

/// Whether `password` is the one that `hash` was made of.
pub(crate) fn fits(hash: &PasswordHash<'_>, password: &[u8]) -> Result<bool, Incomputable> {
    require_memory_for(hash)?;
    let text = hash.as_str();
    match hash.scheme() {
        Scheme::Argon2id => verdict(Argon2::default().verify_password(password, text)),
        Scheme::Sha512Crypt | Scheme::Sha256Crypt => {
            verdict(ShaCrypt::default().verify_password(password, text))
        }
        Scheme::Yescrypt => verdict(Yescrypt::default().verify_password(password, text)),
        Scheme::Bcrypt => bcrypt::verify(password, text).map_err(|_| Incomputable::Parameters),
    }
}

fn verdict(result: Result<(), Error>) -> Result<bool, Incomputable> {
    match result {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(Incomputable::Parameters),
    }
}

/// Room for what is small: text and digests. So much is at hand with the heap of a program of a
/// connection, which asks the system for no more then.
const SMALL: u64 = 256 * 1024;

/// Octets that computing takes in one piece, and room for what is small.
fn memory_for(hash: &PasswordHash<'_>) -> Result<usize, Incomputable> {
    let unknown = Incomputable::Parameters;
    let large = match hash.scheme() {
        Scheme::Argon2id => {
            let parameters: argon2::Params = hash.parameters().parse().map_err(|_| unknown)?;
            u64::from(parameters.m_cost()) * 1024
        }
        Scheme::Yescrypt => {
            let parameters: yescrypt::Params = hash.parameters().parse().map_err(|_| unknown)?;
            parameters.n().saturating_mul(128 * u64::from(parameters.r()))
        }
        Scheme::Bcrypt | Scheme::Sha512Crypt | Scheme::Sha256Crypt => 0,
    };
    usize::try_from(large.saturating_add(SMALL)).map_err(|_| Incomputable::Memory)
}

/// Asks for the memory and gives it back. The libraries end the process where they
/// get none, which would read as a crash, and crypt(3) does not tell it from a hash that it
/// does not know; a limit on memory, as daemons are often run under, is trouble that may pass.
pub(crate) fn require_memory_for(hash: &PasswordHash<'_>) -> Result<(), Incomputable> {
    let mut memory: Vec<u8> = Vec::new();
    let there = memory.try_reserve_exact(memory_for(hash)?);
    black_box(&memory);
    there.map_err(|_| Incomputable::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that what is told of a hash without its library is what its library takes.
    #[test]
    fn the_memory_that_is_told_is_the_memory_that_is_asked_for() {
        let digest = "x".repeat(43);
        for text in [
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$",
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$",
            "$y$j9T$saltsalt$",
            "$y$jBT$saltsalt$",
            "$y$j75$saltsalt$",
            "$5$saltsalt$",
        ] {
            let text = format!("{text}{digest}");
            let hash = PasswordHash::parse(text.as_bytes()).unwrap();
            let asked = memory_for(&hash).unwrap() as u64 - SMALL;
            assert_eq!(hash.memory(), Some(asked), "{text}");
        }
    }
}
