//! Atomic file creation: a file is there whole or not at all, and never in place of another.

use crate::outcome::Error;
use crate::way;
use proto::names::ControlFile;
use rustix::io::Errno;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
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
    /// It is of no use without the other one of its kind, which comes next to it.
    is_of_a_pair: bool,
}

impl New {
    fn of_mode(path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        let (path, content) = (path.into(), content.into());
        Self { path, content, mode, says_what_is_offered: false, is_of_a_pair: false }
    }

    /// A file that everybody may read.
    pub(super) fn public(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::of_mode(path, content, 0o644)
    }

    /// The same file, which says what mail programs offer.
    pub(super) fn of_offers(self) -> Self {
        Self { says_what_is_offered: true, ..self }
    }

    /// The same file, there with the other one of its pair, or not at all.
    pub(super) fn of_a_pair(self) -> Self {
        Self { is_of_a_pair: true, ..self }
    }

    /// Whether these are a pair.
    pub(super) const fn is_pair(one: &Self, other: &Self) -> bool {
        one.is_of_a_pair && other.is_of_a_pair
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

    /// Writes what is in it, under another name; none where the file is there already.
    fn fill(&self, dir: &Path) -> Result<Option<Filled>, Error> {
        let path = dir.join(&self.path);
        let failed = |error| Error::file("unable to make", &path, &error);
        let folder = path.parent().unwrap_or(dir);
        make_folder(folder).map_err(failed)?;
        if path.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&self.content).map_err(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(self.mode)).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        Ok(Some(Filled { file, path }))
    }
}

/// A file that is whole, and has its name to come. Until then nothing is left of it.
struct Filled {
    file: NamedTempFile,
    path: PathBuf,
}

impl Filled {
    /// Gives it its name; false where there is such a file already, which stays as it is.
    fn name(self) -> Result<bool, Error> {
        match self.file.persist_noclobber(&self.path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::file("unable to make", &self.path, &error.error)),
        }
    }
}

/// Makes the file, or both of a pair; false where there is one already, which stays as it is.
pub(super) fn make(together: &[New], dir: &Path) -> Result<bool, Error> {
    match together {
        [one, other] => make_pair([one, other], dir).map(|()| true),
        _ => {
            together.iter().try_fold(true, |_, one| one.fill(dir)?.map_or(Ok(false), Filled::name))
        }
    }
}

/// Makes two files that are not there, or none.
fn make_pair(pair: [&New; 2], dir: &Path) -> Result<(), Error> {
    let there = |new: &New| {
        let error = Errno::EXIST.into();
        Error::file("unable to make", &dir.join(&new.path), &error)
    };
    let fill = |new: &New| new.fill(dir)?.ok_or_else(|| there(new));
    let [one, other] = pair;
    let (first, second) = (fill(one)?, fill(other)?);
    let path = first.path.clone();
    if !first.name()? {
        return Err(there(one));
    }
    let named = second.name().and_then(|is_new| if is_new { Ok(()) } else { Err(there(other)) });
    if named.is_err() {
        // Else each later try would find one without the other.
        let _ = std::fs::remove_file(path);
    }
    named
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_dir;

    /// Whether room was lacking, or somebody else was first.
    #[test]
    fn of_a_pair_both_are_made_or_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let mut key = New::private("tls/key.pem", "key").of_a_pair();
        for no_room in ["file/cert.pem", "tls/key.pem"] {
            let pair = [key, New::public(no_room, "certificate").of_a_pair()];
            assert!(make(&pair, folder.path()).is_err(), "{no_room}");
            assert_eq!(read_dir(folder.path().join("tls")).unwrap().count(), 0, "{no_room}");
            [key, _] = pair;
        }
        let pair = [key, New::public("tls/cert.pem", "certificate").of_a_pair()];
        assert!(New::is_pair(&pair[0], &pair[1]));
        assert!(make(&pair, folder.path()).unwrap());
        assert_eq!(read_dir(folder.path().join("tls")).unwrap().count(), 2);
    }
}
