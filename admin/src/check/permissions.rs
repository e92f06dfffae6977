//! Who owns a file, and who may read and change it.

use super::findings::Findings;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use unix::identity::own_uid;

/// Who is to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Programs that have become a mail user, so anybody.
    Anybody,
    /// Whoever is root's, or the service's own, business.
    Whoever,
    /// Its owner and nobody else: it holds a secret.
    OwnerOnly,
}

/// Looks at a file or folder; false where it cannot be looked at.
pub(super) fn check_permissions(path: &Path, readers: Readers, findings: &mut Findings) -> bool {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => {
            findings.unusable(path, &error);
            return false;
        }
    };
    if let Some(mode) = changeable_by_others(&found) {
        findings.error(path, format!("mode {mode:o}: its group or others can change it"));
    }
    if found.uid() != 0 && found.uid() != own_uid() {
        findings.warning(path, format!("belongs to user {}, who can change it", found.uid()));
    }
    let mode = found.permissions().mode() & 0o7777;
    let needed = if found.is_dir() { 0o001 } else { 0o004 };
    match readers {
        Readers::Anybody if mode & needed == 0 => {
            let text = format!("mode {mode:o}: programs that run as a mail user cannot read it");
            findings.error(path, text);
        }
        Readers::OwnerOnly if mode & 0o004 != 0 => {
            findings.error(path, format!("mode {mode:o}: everybody can read it"));
        }
        Readers::OwnerOnly if mode & 0o040 != 0 => {
            findings.warning(path, format!("mode {mode:o}: its group can read it"));
        }
        _ => {}
    }
    true
}

/// A folder that everybody may write to, if only their own files, is left alone.
fn changeable_by_others(found: &Metadata) -> Option<u32> {
    let mode = found.permissions().mode() & 0o7777;
    let is_shared = found.is_dir() && mode & 0o1000 != 0;
    (mode & 0o022 != 0 && !is_shared).then_some(mode)
}
