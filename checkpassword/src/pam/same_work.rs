//! The same work for everybody who is refused, so that time does not tell who exists.
//!
//! pam_unix computes a hash for an account that has one; for a user who is unknown, locked
//! or without a password it has none to compute. So one hash of every cost in `/etc/shadow`
//! is computed for each login that is refused: by PAM the user's own one, and here the
//! others, which are all of them where PAM had none ([`Lookup`] says why every one); as
//! often as pam_unix does ([`Service`]). sshd does as much, by the first hash it finds.
//! Accounts that PAM has from elsewhere cost what it takes to ask there.

use crate::failure::Failure;
use crate::verify::{Incomputable, fits};
use proto::checkpassword::reader::Credentials;
use proto::pam_service::Service;
use proto::passwd_file::Lookup;
use std::ffi::OsStr;
use std::hint::black_box;
use std::path::Path;
use unix::trusted_file::read_trusted;

/// Where the system keeps hashes.
const SHADOW: &str = "/etc/shadow";

/// Where PAM's services are described, the first that has one counting.
const SERVICES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Services that include one another go no deeper.
const DEPTH: usize = 8;

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
/// Where there is no memory for one of them, that is the answer to everybody who is not
/// let in.
pub(super) fn compute_what_pam_did_not(
    service: &OsStr,
    credentials: &Credentials<'_>,
) -> Result<(), Failure> {
    // Who cannot read it is an ordinary user, for whom PAM answers about himself alone.
    let Ok(shadow) = read_trusted(Path::new(SHADOW)) else { return Ok(()) };
    let others = Lookup::new(&shadow, credentials.user).others;
    for _ in 0..hashes_of(service, DEPTH) {
        for other in &others {
            if black_box(fits(other, credentials.password)) == Err(Incomputable::Memory) {
                return Err(Failure::Memory);
            }
        }
    }
    Ok(())
}

/// How often pam_unix computes a hash in this service.
fn hashes_of(service: &OsStr, depth: usize) -> usize {
    let read = |folder: &&str| std::fs::read(Path::new(folder).join(service)).ok();
    let Some(file) = SERVICES.iter().find_map(read) else { return 0 };
    let Service { hashes, includes } = Service::read(&file);
    let Some(depth) = depth.checked_sub(1) else { return hashes };
    includes.iter().fold(hashes, |hashes, name| hashes + hashes_of(OsStr::new(name), depth))
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
