//! What is in a folder, and what there is of a name. What keeps that from being known is an error:
//! only what is not there is none.

use super::findings::Findings;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where its entries are; none where there is no such folder.
pub(super) fn entries(folder: &Path, findings: &mut Findings) -> Option<Vec<PathBuf>> {
    let entries = match folder.read_dir() {
        Err(error) if is_absence(&error) => return None,
        asked => unless_unusable(folder, asked, findings),
    };
    let paths = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| unless_unusable(folder, entry, findings).map(|entry| entry.path()));
    Some(paths.collect())
}

/// What is there, behind links.
pub(super) fn found(path: &Path, findings: &mut Findings) -> Option<Metadata> {
    unless_missing(path, path.metadata(), findings)
}

/// The same of a link itself.
pub(super) fn found_itself(path: &Path, findings: &mut Findings) -> Option<Metadata> {
    unless_missing(path, path.symlink_metadata(), findings)
}

/// Whether it is known that nothing is there.
pub(super) fn is_missing(path: &Path) -> bool {
    path.metadata().is_err_and(|error| is_absence(&error))
}

fn unless_missing<T>(path: &Path, asked: io::Result<T>, findings: &mut Findings) -> Option<T> {
    match asked {
        Err(error) if is_absence(&error) => None,
        asked => unless_unusable(path, asked, findings),
    }
}

fn unless_unusable<T>(path: &Path, asked: io::Result<T>, findings: &mut Findings) -> Option<T> {
    asked.map_err(|error| findings.unusable(path, &error)).ok()
}

/// Whether it says that nothing is there.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
