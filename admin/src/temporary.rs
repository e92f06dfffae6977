//! Folders for what is gone when the program ends.

use crate::way;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use unix::identity::runs_as_root;

/// A new folder of this process's, that others may look into: programs run there as other users.
///
/// # Errors
/// The system's reason; where root would make it in a folder that another user can change, that.
pub(crate) fn folder() -> io::Result<TempDir> {
    let place = place();
    way::is_ours(&place.join("acceptutils"))?;
    let mode = Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("acceptutils-").permissions(mode).tempdir_in(place)
}

/// Where they are made: where `TMPDIR` says, unless root's is one that others cannot enter.
pub(crate) fn place() -> PathBuf {
    let named = std::env::temp_dir();
    if runs_as_root() && !way::is_open(&named) { "/tmp".into() } else { named }
}
