//! The same work for everybody who is refused, so that time does not tell who exists.
//!
//! pam_unix computes a hash for an account that has one; for a user who is unknown, locked
//! or without a password it has none to compute. So one hash of every cost in `/etc/shadow`
//! is computed for each login that is refused: by PAM the user's own one, and here the
//! others, which are all of them where PAM had none ([`Lookup`] says why every one); as
//! often as pam_unix does, and by the same function of the system's, as another's speed would
//! tell. sshd does as much, by the first hash it finds.
//! Accounts that PAM has from elsewhere cost what it takes to ask there.

use super::service::{self, if_open_to_us};
use crate::failure::Failure;
use crate::verify::{Incomputable, require_memory_for};
use proto::checkpassword::reader::Credentials;
use proto::passwd_file::Lookup;
use std::ffi::OsStr;
use std::path::Path;
use unix::crypt;
use unix::log::Reason;
use unix::trusted_file::read_trusted;

/// Where the system keeps users.
const PASSWD: &str = "/etc/passwd";
/// Where it keeps their hashes.
const SHADOW: &str = "/etc/shadow";

/// No word of anybody's, as nobody could type it: sshd's.
const WRONG: [u8; 4] = [8, b'\n', b'\r', 0x7F];

/// A password that nobody has. As long as the one
/// that was given, for some hashes take longer over longer ones.
pub(super) fn wrong_password(length: usize) -> Vec<u8> {
    WRONG.iter().copied().cycle().take(length).collect()
}

/// Computes the hashes of a login that PAM has refused, but for those that PAM did.
///
/// # Errors
/// Where there is no memory for one of them, or a file cannot be read that PAM reads too, that
/// is the answer to everybody who is not let in: PAM may have taken the same trouble for a
/// wrong password.
pub(super) fn compute_what_pam_did_not(
    service: &OsStr,
    credentials: &Credentials<'_>,
) -> Result<(), Failure> {
    let user = || credentials.user.to_vec();
    let unknown = |error| Failure::UserDatabase(user(), error);
    if_open_to_us(std::fs::read(PASSWD)).map_err(unknown)?;
    // Who may not read it is an ordinary user, for whom PAM answers about himself alone.
    let shadow = if_open_to_us(read_trusted(Path::new(SHADOW))).map_err(unknown)?;
    let service = service::read(service, "auth")
        .map_err(|error| Failure::Pam("reading the service", user(), Reason(&error).to_string()))?;
    let Some(shadow) = shadow else { return Ok(()) };
    if service.hashes == 0 {
        return Ok(());
    }
    let Lookup { found, others } = Lookup::new(&shadow, credentials.user);
    // Without memory for the user's own one, PAM says that the password is wrong.
    let own = found.and_then(|(_, hash)| hash.ok());
    if own.iter().chain(&others).any(|hash| require_memory_for(hash) == Err(Incomputable::Memory)) {
        return Err(Failure::Memory);
    }
    for _ in 0..service.hashes {
        for other in &others {
            // What the system cannot compute costs PAM nothing, either.
            let _ = crypt::compute(credentials.password, other.as_str());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_password_is_as_long_as_the_given_one_and_has_no_end_in_it() {
        for length in [1, 13, 200] {
            let password = wrong_password(length);
            assert_eq!(password.len(), length);
            assert!(!password.contains(&0) && password[0] == 8);
        }
    }
}
