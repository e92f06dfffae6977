//! Folders for what is gone when the program ends.

use crate::outcome::{Error, say};
use crate::way;
use std::fs::{Permissions, remove_dir_all};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use unix::identity::runs_as_root;

/// One that is removed when this is dropped; what cannot be removed is named.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it.
    ///
    /// # Errors
    /// That it is still there.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.remove()
    }

    /// Once: no path is left then.
    fn remove(&mut self) -> Result<(), Error> {
        let path = std::mem::take(&mut self.0);
        match remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| Error::file("unable to remove", &path, &error)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            say(&error);
        }
    }
}

/// A new folder of this process's, that others may look into: programs run there as other users.
///
/// # Errors
/// The system's reason; where root would make it in a folder that another user can change, that.
pub(crate) fn folder() -> io::Result<Folder> {
    let place = place();
    way::is_ours(&place.join("acceptutils"))?;
    let mode = Permissions::from_mode(0o755);
    let folder =
        tempfile::Builder::new().prefix("acceptutils-").permissions(mode).tempdir_in(place)?;
    Ok(Folder(folder.keep()))
}

/// Where they are made: where `TMPDIR` says, unless root's is one that others cannot enter.
pub(crate) fn place() -> PathBuf {
    let named = std::env::temp_dir();
    if runs_as_root() && !way::is_open(&named) { "/tmp".into() } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_removed_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        std::fs::write(&path, "").unwrap();
        let why = Folder(path.clone()).close().unwrap_err().to_string();
        assert_eq!(why, format!("unable to remove: {}: Not a directory", path.display()));
        let path = place.path().join("folder");
        std::fs::create_dir_all(path.join("inner")).unwrap();
        Folder(path.clone()).close().unwrap();
        assert!(!path.exists());
    }
}
