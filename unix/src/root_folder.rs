//! The folder that jailed processes have for their file system's root.
//!
//! The jail enters it, where it is fit for that; who sets up services makes it, so that
//! no connection has to make one of its own.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Empty, root's, and nobody else's to write to, where the system has it.
pub const PATH: &str = "/var/empty";

/// Makes the folder; false where there is something of that name, which stays as it is.
///
/// # Errors
/// The system's.
pub fn make() -> io::Result<bool> {
    let path = Path::new(PATH);
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Whatever the umask.
        made => {
            made.and_then(|()| set_permissions(path, Permissions::from_mode(0o755))).map(|()| true)
        }
    }
}
