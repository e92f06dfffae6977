//! Files that are changed while others read them, atomically.

use crate::trusted_file::read_trusted;
use rustix::fs::{
    FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, fsync, open, openat, renameat,
    stat, unlinkat,
};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A file that nobody else changes by this module at the same time. Its folder is
/// locked, not the file, which is another one after the change.
#[derive(Debug)]
pub struct LockedFile {
    folder: OwnedFd,
    path: PathBuf,
    name: OsString,
}

impl LockedFile {
    /// Waits until nobody else holds a file of that folder. The file itself need not
    /// exist; where it is a symbolic link, the file behind it is meant, also one that does
    /// not exist.
    ///
    /// # Errors
    /// The system's reason; `InvalidInput` where `path` names no file.
    pub fn lock(path: &Path) -> io::Result<Self> {
        let path = match std::fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => behind_links(path),
            resolved => resolved?,
        };
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(parent.unwrap_or(Path::new(".")), flags, Mode::empty())?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(Self { folder, path, name })
    }

    /// What the file holds; `None` where there is none yet.
    ///
    /// # Errors
    /// As of [`read_trusted`].
    pub fn read(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        match read_trusted(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Puts a file with this content in place of the one that is there, with its mode
    /// and owner; a new one may be read and written by its owner only. Readers find
    /// the old one or the new one, and after a crash so does everybody.
    ///
    /// # Errors
    /// The system's reason; the file is then as it was.
    pub fn replace(&self, content: &[u8]) -> io::Result<()> {
        let mut temporary = OsString::from(".");
        temporary.push(&self.name);
        temporary.push(format!(".{}", std::process::id()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = openat(&self.folder, &temporary, flags, mode)?;
        let replaced = self
            .fill(fd, content)
            .and_then(|()| Ok(renameat(&self.folder, &temporary, &self.folder, &self.name)?));
        if replaced.is_err() {
            let _ = unlinkat(&self.folder, &temporary, rustix::fs::AtFlags::empty());
        } else {
            fsync(&self.folder)?;
        }
        replaced
    }

    fn fill(&self, fd: OwnedFd, content: &[u8]) -> io::Result<()> {
        let mut file = File::from(fd);
        file.write_all(content)?;
        match stat(&self.path) {
            Ok(old) => {
                // Owner first: giving a file away takes set-id bits from its mode.
                let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
                fchown(&file, Some(uid), Some(gid))?;
                fchmod(&file, Mode::from_raw_mode(old.st_mode))?;
            }
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        file.sync_all()
    }
}

/// What a link leads to in the end, which is not there. Links in a circle are another error.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while let Ok(target) = path.read_link() {
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use tempfile::{TempDir, tempdir};

    /// Every name in it.
    fn names(folder: &TempDir) -> Vec<OsString> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_new_file_is_its_owners_alone() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        let file = LockedFile::lock(&path).unwrap();
        assert!(file.read().unwrap().is_none());
        file.replace(b"one").unwrap();
        assert_eq!(file.read().unwrap().unwrap().as_slice(), b"one");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(names(&folder), ["users"]);
    }

    #[test]
    fn mode_and_owner_stay() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, None, Some(54321)).unwrap();
        }
        let before = std::fs::metadata(&path).unwrap();
        LockedFile::lock(&path).unwrap().replace(b"new").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid())
        );
        assert_ne!(after.ino(), before.ino(), "readers of the old one still have it");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::fs::write(folder.path().join("real/users"), b"old").unwrap();
        symlink("real/users", folder.path().join("users")).unwrap();
        LockedFile::lock(&folder.path().join("users")).unwrap().replace(b"new").unwrap();
        assert_eq!(std::fs::read(folder.path().join("real/users")).unwrap(), b"new");
        assert!(folder.path().join("users").is_symlink());
    }

    #[test]
    fn what_a_link_leads_to_is_made() {
        let folder = tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("real")).unwrap();
        symlink("real/second", path("users")).unwrap();
        symlink(path("real/users"), path("real/second")).unwrap();
        let file = LockedFile::lock(&path("users")).unwrap();
        assert!(file.read().unwrap().is_none());
        file.replace(b"new").unwrap();
        assert_eq!(std::fs::read(path("real/users")).unwrap(), b"new");
        assert!(path("users").is_symlink() && path("real/second").is_symlink());
        symlink("circle", path("circle")).unwrap();
        symlink("no/such", path("nowhere")).unwrap();
        for name in ["circle", "nowhere"] {
            assert!(LockedFile::lock(&path(name)).is_err(), "{name}");
            assert!(path(name).is_symlink(), "{name}");
        }
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("count");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let file = LockedFile::lock(&path).unwrap();
                    let mut content = file.read().unwrap().map_or(vec![], |read| read.to_vec());
                    content.push(b'x');
                    file.replace(&content).unwrap();
                });
            }
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"xxxxxxxx");
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        let file = LockedFile::lock(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(file.replace(b"new").is_err());
        assert_eq!(names(&folder), ["users"]);
        assert!(LockedFile::lock(Path::new("/")).is_err());
        assert!(LockedFile::lock(&folder.path().join("no/such")).is_err());
    }
}
