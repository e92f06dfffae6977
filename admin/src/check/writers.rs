//! Says who could put something else in place of a file; [`way`] finds them.
//!
//! What a file is, and who must be able to read it, is for others to say; `permissions` asks
//! here for each file and folder that it looks at.

use super::findings::Findings;
use super::folder;
use super::who::Who;
use crate::way;
use std::fs::Metadata;
use std::path::Path;

/// Looks at a file or folder that is there, and at the way to it. Besides root and whoever
/// checks, `reader` may own it: whoever reads it can change for itself what it reads.
pub(super) fn check(path: &Path, found: &Metadata, reader: &Who, findings: &mut Findings) {
    let is_right = |owner| match reader {
        Who::Starter => false,
        Who::User(user) => user.uid == owner,
        Who::Unknown => true,
    };
    for (place, text) in way::faults(path, found, is_right) {
        findings.error(&place, text);
    }
}

/// The same of all that is in a folder, and in those below it.
pub(super) fn check_all(folder: &Path, findings: &mut Findings) {
    let Some(entries) = folder::entries(folder, findings) else { return };
    if let Some(found) = folder::found(folder, findings) {
        check(folder, &found, &Who::Starter, findings);
    }
    for path in entries {
        // Not by what is behind links, which may lead in a circle.
        let is_folder = folder::found_itself(&path, findings).is_some_and(|found| found.is_dir());
        if is_folder {
            check_all(&path, findings);
        } else if let Some(found) = folder::found(&path, findings) {
            check(&path, &found, &Who::Starter, findings);
        }
    }
}
