//! Folders for what a test makes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// A new folder that every user may enter, as some tests become another; gone with this.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn public() -> TempDir {
    let folder = tempfile::Builder::new().prefix("acceptutils-test-").tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

/// Says who may do what with a file, whatever the umask.
///
/// # Panics
/// When that cannot be.
#[track_caller]
pub fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// Writes a file that nobody but its owner may read, as a key must be.
///
/// # Panics
/// When it cannot be written.
#[track_caller]
pub fn write_secret(file: &Path, contents: &str) {
    fs::write(file, contents).unwrap();
    set_mode(file, 0o600);
}
