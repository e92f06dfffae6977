//! Atomic file creation: a file is there whole or not at all, and never in place of another.

use crate::outcome::Error;
use crate::way;
use proto::names::ControlFile;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// A file to be made.
#[derive(Debug)]
pub(super) struct New {
    /// Where, under the folder.
    pub(super) path: String,
    /// What is in it.
    pub(super) content: Vec<u8>,
    /// Its permissions.
    pub(super) mode: u32,
    /// What is in it depends on what mail programs offer.
    pub(super) says_what_is_offered: bool,
}

impl New {
    fn of_mode(path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        let (path, content) = (path.into(), content.into());
        Self { path, content, mode, says_what_is_offered: false }
    }

    /// A file that everybody may read.
    pub(super) fn public(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::of_mode(path, content, 0o644)
    }

    /// The same file, which says what mail programs offer.
    pub(super) fn of_offers(self) -> Self {
        Self { says_what_is_offered: true, ..self }
    }

    /// Whether something else is in the file that is there.
    pub(super) fn differs_from(&self, path: &Path) -> bool {
        unix::regular_file::read(path).is_ok_and(|content| content != self.content)
    }

    /// A control file, which everybody may read.
    pub(super) fn control(file: ControlFile, content: impl Into<Vec<u8>>) -> Self {
        Self::public(format!("control/{}", file.name()), content)
    }

    /// A file for its owner alone.
    pub(super) fn private(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::of_mode(path, content, 0o600)
    }

    /// A program.
    pub(super) fn program(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::of_mode(path, content, 0o755)
    }

    /// Whether it can be made without another having a say in where.
    pub(super) fn may_be_made(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(&self.path);
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        way::is_ours(&path).map_err(|error| Error::file("unable to make", &path, &error))
    }

    /// Makes the file; false where there is one already, which stays as it is.
    pub(super) fn write(&self, dir: &Path) -> Result<bool, Error> {
        let path = dir.join(&self.path);
        let failed = |error| Error::file("unable to make", &path, &error);
        let folder = path.parent().unwrap_or(dir);
        make_folder(folder).map_err(failed)?;
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&self.content).map_err(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(self.mode)).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error.error)),
        }
    }
}

/// A folder that everybody may look into, whatever the umask: programs that run as
/// a mail user read the control files.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o755))),
    }
}
