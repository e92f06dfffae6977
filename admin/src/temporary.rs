//! Folders for what is gone when the program ends.

use crate::way;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A new folder of this process's, that others may look into: programs run there as other users.
///
/// # Errors
/// The system's reason; where root would make it in a folder that another user can change, that.
pub(crate) fn folder() -> io::Result<TempDir> {
    way::is_ours(&std::env::temp_dir().join("acceptutils"))?;
    let mode = Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("acceptutils-").permissions(mode).tempdir()
}
