//! Files that are changed while others read them, atomically.

use crate::trusted_file::read_trusted;
use crate::{access_list, attributes};
use rustix::fs::{
    AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock, fstat, fsync, open,
    openat, renameat, stat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long others may have it locked.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to lock.
const NAP: Duration = Duration::from_millis(10);

/// A file that nobody else changes by this module at the same time.
///
/// What is locked is a file beside it, `.NAME.lock`, which goes with the lock. The file itself is
/// another one after the change, and whoever may look into its folder could lock that.
#[derive(Debug)]
pub struct LockedFile {
    folder: OwnedFd,
    path: PathBuf,
    name: OsString,
    lock: Lock,
}

impl LockedFile {
    /// Waits until nobody else has it locked, but not for good. The file itself need not
    /// exist; where it is a symbolic link, the file behind it is meant, also one that does
    /// not exist.
    ///
    /// # Errors
    /// The system's reason; `InvalidInput` where `path` names no file; a text of ours where
    /// another process has it locked, or another user has made the lock.
    pub fn lock(path: &Path) -> io::Result<Self> {
        Self::within(path, PATIENCE)
    }

    fn within(path: &Path, patience: Duration) -> io::Result<Self> {
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
        let lock = Lock::of(&folder, hidden(&name, "lock"), patience)?;
        Ok(Self { folder, path, name, lock })
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

    /// Puts a file with this content in place of the one that is there, with its mode, owner,
    /// access list and extended attributes; a new one may be read and written by its owner only.
    /// Readers find the old one or the new one, and after a crash so does everybody.
    ///
    /// # Errors
    /// What keeps the file as it was, or the new one from staying.
    pub fn replace(&self, content: &[u8]) -> Result<(), Unreplaced> {
        self.put(content).map_err(Unreplaced::AsItWas)?;
        keep_names(&self.folder).map_err(Unreplaced::MayNotStay)
    }

    fn put(&self, content: &[u8]) -> io::Result<()> {
        let temporary = hidden(&self.name, "new");
        // Left over by a process that was killed: nobody else is at it.
        let _ = unlinkat(&self.folder, &temporary, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = openat(&self.folder, &temporary, flags, mode)?;
        let replaced = self
            .fill(fd, content)
            .and_then(|()| Ok(renameat(&self.folder, &temporary, &self.folder, &self.name)?));
        if replaced.is_err() {
            let _ = unlinkat(&self.folder, &temporary, AtFlags::empty());
        }
        replaced
    }

    fn fill(&self, fd: OwnedFd, content: &[u8]) -> io::Result<()> {
        let mut file = File::from(fd);
        file.write_all(content)?;
        match stat(&self.path) {
            Ok(old) => {
                // Owner first: giving a file away takes set-id bits from its mode. Mode last:
                // with a list, its group's bits are what the list allows at most.
                let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
                fchown(&file, Some(uid), Some(gid))?;
                attributes::copy(&self.path, &file)?;
                access_list::set(&file, access_list::of(&self.path)?.as_deref())?;
                fchmod(&file, Mode::from_raw_mode(old.st_mode))?;
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        file.sync_all()
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Still locked: who waits for it finds that it is gone, and makes another one.
        let _ = unlinkat(&self.folder, &self.lock.name, AtFlags::empty());
    }
}

/// Why a file was not replaced, or may not be for good; the system's reason.
#[derive(Debug)]
pub enum Unreplaced {
    /// It is as it was.
    AsItWas(io::Error),
    /// It is the new one, which might not survive a crash.
    MayNotStay(io::Error),
}

/// A file that nobody but its owner can open, locked.
#[derive(Debug)]
struct Lock {
    name: OsString,
    _locked: OwnedFd,
}

impl Lock {
    fn of(folder: &OwnedFd, name: OsString, patience: Duration) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            if let Some(file) = open_or_make(folder, &name)?
                && take(folder, &name, &file)?
            {
                return Ok(Self { name, _locked: file });
            }
            if begun.elapsed() >= patience {
                let text = format!("another process has locked {}", name.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
            }
            std::thread::sleep(NAP);
        }
    }
}

/// Opens what is to be locked, and makes it where it is not there; none where it has gone
/// meanwhile. Where it then cannot be locked it stays, as others may have locked it.
fn open_or_make(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<OwnedFd>> {
    // Without NONBLOCK a FIFO in its place would hold us; NFS locks for one alone only
    // what is open for writing.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match openat(folder, name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
        Err(Errno::EXIST) => {}
        made => return Ok(Some(made?)),
    }
    match openat(folder, name, flags, mode) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Locks it; false where that is to be tried again, as another has it or it is not there any more.
fn take(folder: &OwnedFd, name: &OsStr, file: &OwnedFd) -> io::Result<bool> {
    let found = fstat(file)?;
    if found.st_uid != geteuid().as_raw() {
        let text = format!("{} belongs to another user", name.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::INTR | Errno::WOULDBLOCK) => return Ok(false),
        locked => locked?,
    }
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        there => Ok(there?.st_ino == found.st_ino),
    }
}

/// A name beside this one.
fn hidden(name: &OsStr, end: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(end);
    hidden
}

/// Has the names in a folder survive a crash, where its file system has a way to.
fn keep_names(folder: &OwnedFd) -> io::Result<()> {
    match fsync(folder) {
        Err(Errno::INVAL | Errno::NOSYS) => Ok(()),
        kept => Ok(kept?),
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
        drop(file);
        assert_eq!(names(&folder), ["users"]);
    }

    /// Whoever may look into a folder can lock it, for as long as they like.
    #[test]
    fn nobody_waits_for_who_has_locked_the_folder() {
        let folder = tempdir().unwrap();
        let other = File::open(folder.path()).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        LockedFile::lock(&folder.path().join("users")).unwrap();
    }

    #[test]
    fn who_waits_too_long_is_told_for_what() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        let held = LockedFile::lock(&path).unwrap();
        let lock = folder.path().join(".users.lock");
        assert_eq!(std::fs::metadata(&lock).unwrap().mode() & 0o7777, 0o600);
        let why = LockedFile::within(&path, Duration::ZERO).unwrap_err();
        assert_eq!(why.to_string(), "another process has locked .users.lock");
        drop(held);
        assert_eq!(names(&folder), [""; 0]);
        LockedFile::within(&path, Duration::ZERO).unwrap();
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file away");
            return;
        }
        std::fs::write(&lock, "").unwrap();
        std::os::unix::fs::chown(&lock, Some(65534), None).unwrap();
        let why = LockedFile::lock(&path).unwrap_err();
        assert_eq!(why.to_string(), ".users.lock belongs to another user");
    }

    /// As a machine without power leaves it, or SIGKILL.
    #[test]
    fn what_was_left_over_stops_nobody() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        for name in [".users.lock", ".users.new"] {
            std::fs::write(folder.path().join(name), "left over").unwrap();
        }
        LockedFile::lock(&path).unwrap().replace(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(names(&folder), ["users"]);
    }

    /// What each may: its owner, user 7, its group, at most, and others.
    #[cfg(target_os = "linux")]
    fn list(group: u8, most: u8) -> Vec<u8> {
        let entries = [(1, 6, !0), (2, 4, 7), (4, group, !0), (16, most, !0), (32, 0, !0_u32)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, may, who) in entries {
            list.extend([tag, 0, may, 0]);
            list.extend(who.to_le_bytes());
        }
        list
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_access_list_stays_and_none_comes() {
        use rustix::fs::{XattrFlags, setxattr};
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"old").unwrap();
        let set = |path: &Path, name, list: &[u8]| setxattr(path, name, list, XattrFlags::empty());
        if set(&path, c"system.posix_acl_access", &list(0, 4)) == Err(Errno::OPNOTSUPP) {
            eprintln!("SKIPPED: no file system with access lists");
            return;
        }
        let of = |path: &Path| access_list::of(path).unwrap();
        LockedFile::lock(&path).unwrap().replace(b"new").unwrap();
        assert_eq!(of(&path), Some(list(0, 4)));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        // Nor does user 7 get to read a file that has none, by what new ones have there.
        set(folder.path(), c"system.posix_acl_default", &list(4, 4)).unwrap();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, b"old").unwrap();
        rustix::fs::removexattr(&plain, c"system.posix_acl_access").unwrap();
        std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o640)).unwrap();
        LockedFile::lock(&plain).unwrap().replace(b"new").unwrap();
        assert_eq!(of(&plain), None);
        assert_eq!(std::fs::metadata(&plain).unwrap().mode() & 0o7777, 0o640);
    }

    /// Those that say something of the content do not.
    #[test]
    #[cfg(target_os = "linux")]
    fn labels_and_notes_stay() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"old").unwrap();
        let set = |name| setxattr(&path, name, b"value", XattrFlags::empty());
        let names = ["user.note", "user.other", "security.selinux", "security.SMACK64EXEC"];
        let were_set = names.map(|name| set(name).is_ok());
        if !were_set.contains(&true) {
            eprintln!("SKIPPED: no file system with attributes");
            return;
        }
        // Of the octets, and so not of others.
        let has_hash = set("security.ima").is_ok();
        LockedFile::lock(&path).unwrap().replace(b"new").unwrap();
        for (name, was_set) in names.into_iter().zip(were_set) {
            let mut value = [0; 9];
            let found = getxattr(&path, name, &mut value[..]).ok();
            assert_eq!(
                found.map(|length| &value[..length]),
                was_set.then_some(&b"value"[..]),
                "{name}"
            );
        }
        let stays = getxattr(&path, "security.ima", &mut [0; 9][..]).is_ok();
        assert!(!(has_hash && stays));
    }

    #[test]
    fn mode_and_owner_stay() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let root = geteuid().is_root();
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

    /// Some file systems answer for a folder as the system does for a pipe.
    #[test]
    fn what_cannot_be_synchronised_is_no_reason_to_fail() {
        let (reader, _) = crate::descriptor::pipe().unwrap();
        keep_names(&reader).unwrap();
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
        drop(file);
        assert_eq!(names(&folder), ["users"]);
        assert!(LockedFile::lock(Path::new("/")).is_err());
        assert!(LockedFile::lock(&folder.path().join("no/such")).is_err());
    }
}
