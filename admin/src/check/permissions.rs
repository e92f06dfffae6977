//! Who may read a file; who could change it is for `writers` to say.

use super::findings::Findings;
use super::who::Who;
use super::writers;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use unix::identity::group_named;

/// Who is to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Programs that have become a mail user, so anybody.
    Anybody,
    /// Whoever is root's, or the service's own, business.
    Whoever,
    /// Its owner and nobody else: it holds a secret.
    OwnerOnly,
    /// The same, and Dovecot, to which a users file serves as its passwd-file.
    OwnerAndDovecot,
}

/// The group of Dovecot's process that looks users up, by all its packages.
const DOVECOT: &str = "dovecot";

/// Looks at a file or folder; false where it cannot be looked at.
pub(super) fn check_permissions(path: &Path, readers: Readers, findings: &mut Findings) -> bool {
    check_permissions_for(path, readers, &Who::Starter, findings)
}

/// The same of a file that somebody else reads than whoever runs the script.
pub(super) fn check_permissions_for(
    path: &Path,
    readers: Readers,
    reader: &Who,
    findings: &mut Findings,
) -> bool {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => {
            findings.unusable(path, &error);
            return false;
        }
    };
    writers::check(path, &found, reader, findings);
    let mode = found.permissions().mode() & 0o7777;
    let needed = if found.is_dir() { 0o001 } else { 0o004 };
    match readers {
        Readers::Anybody if mode & needed == 0 => {
            let text = format!("mode {mode:o}: programs that run as a mail user cannot read it");
            findings.error(path, text);
        }
        Readers::OwnerOnly | Readers::OwnerAndDovecot if mode & 0o004 != 0 => {
            findings.error(path, format!("mode {mode:o}: everybody can read it"));
        }
        Readers::OwnerAndDovecot
            if group_named(DOVECOT).is_ok_and(|id| id == Some(found.gid())) => {}
        Readers::OwnerOnly | Readers::OwnerAndDovecot if mode & 0o040 != 0 => {
            findings.warning(path, format!("mode {mode:o}: its group can read it"));
        }
        _ => {}
    }
    true
}
