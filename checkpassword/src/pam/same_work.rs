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
use proto::pam_service::{FOLDERS, OTHER, Service, file_name};
use proto::passwd_file::Lookup;
use std::ffi::{OsStr, OsString};
use std::hint::black_box;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use unix::trusted_file::read_trusted;

/// Where the system keeps hashes.
const SHADOW: &str = "/etc/shadow";

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
    for _ in 0..hashes_of(&FOLDERS, service) {
        for other in &others {
            if black_box(fits(other, credentials.password)) == Err(Incomputable::Memory) {
                return Err(Failure::Memory);
            }
        }
    }
    Ok(())
}

/// How often pam_unix computes a hash in this service.
fn hashes_of(folders: &[&str], service: &OsStr) -> usize {
    let name = OsString::from_vec(file_name(service.as_bytes()));
    let own = read(folders, &name, DEPTH);
    let counts = if own.lines == 0 { read(folders, OTHER.as_ref(), DEPTH) } else { own };
    counts.hashes
}

/// Reads a file and those that belong to it.
fn read(folders: &[&str], name: &OsStr, depth: usize) -> Service {
    let there = folders.iter().find_map(|folder| std::fs::read(Path::new(folder).join(name)).ok());
    let mut all = Service::read(&there.unwrap_or_default());
    let Some(depth) = depth.checked_sub(1) else { return all };
    for included in std::mem::take(&mut all.includes) {
        let Service { lines, hashes, .. } = read(folders, included.as_ref(), depth);
        all.lines += lines;
        all.hashes += hashes;
    }
    all
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

    /// As PAM itself looks for it.
    #[test]
    fn a_service_costs_what_the_file_says_that_pam_reads() {
        let folder = tempfile::tempdir().unwrap();
        let [etc, vendor] = ["etc", "vendor"].map(|name| folder.path().join(name));
        let write = |file: &Path, text: &str| {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let hashes = |name: &str| {
            hashes_of(&[etc.to_str().unwrap(), vendor.to_str().unwrap()], OsStr::new(name))
        };
        assert_eq!(hashes("mail"), 0);
        write(&vendor.join("other"), "auth required pam_unix.so\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("other"), "@include common-auth\n@include circle\n");
        write(&etc.join("common-auth"), "auth [default=1] pam_unix.so\n");
        write(&etc.join("circle"), "@include circle\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("mail"), "auth required pam_unix.so\nauth include common-auth\n");
        for name in ["mail", "Mail", "/usr/x/MAIL"] {
            assert_eq!(hashes(name), 4, "{name}");
        }
        // What the file has no line about, the other's lines decide.
        write(&etc.join("mail"), "account required pam_unix.so\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("mail"), "auth required pam_permit.so\n");
        assert_eq!(hashes("mail"), 0);
    }
}
