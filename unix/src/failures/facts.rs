//! What the system says of a file: whose it is, how long, and which. Called by
//! [`super::file`], for each login.

use rustix::fs::{RawMode, Stat, fstat, lstat};
#[cfg(target_os = "linux")]
use rustix::{
    fs::{AtFlags, CWD},
    path::Arg,
};
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Which file it is: device and inode.
pub(super) type Identity = (u64, u64);

/// What is asked of a file before it is used.
pub(super) struct Facts {
    pub(super) mode: RawMode,
    pub(super) owner: u32,
    pub(super) size: u64,
    pub(super) identity: Identity,
}

impl Facts {
    /// By `statx`, without the times: Linux notes that somebody has seen when the file was
    /// written last, and takes a finer, slower clock for the next write then. Not every kernel
    /// and sandbox has that call.
    #[cfg(target_os = "linux")]
    pub(super) fn of(fd: &OwnedFd) -> rustix::io::Result<Self> {
        Self::without_times(fd.as_fd(), c"", AtFlags::EMPTY_PATH)
            .map_or_else(|| fstat(fd).map(Self::from), Ok)
    }

    /// Of what has this name, followed nowhere.
    #[cfg(target_os = "linux")]
    pub(super) fn at(path: &Path) -> rustix::io::Result<Self> {
        Self::without_times(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
            .map_or_else(|| lstat(path).map(Self::from), Ok)
    }

    #[cfg(target_os = "linux")]
    fn without_times(folder: BorrowedFd<'_>, path: impl Arg, flags: AtFlags) -> Option<Self> {
        use rustix::fs::{StatxFlags, makedev, statx};
        let wanted = StatxFlags::TYPE
            | StatxFlags::MODE
            | StatxFlags::UID
            | StatxFlags::SIZE
            | StatxFlags::INO;
        let found = statx(folder, path, flags, wanted).ok()?;
        (found.stx_mask & wanted.bits() == wanted.bits()).then(|| Self {
            mode: found.stx_mode.into(),
            owner: found.stx_uid,
            size: found.stx_size,
            identity: (makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino),
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(fd: &OwnedFd) -> rustix::io::Result<Self> {
        fstat(fd).map(Self::from)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn at(path: &Path) -> rustix::io::Result<Self> {
        lstat(path).map(Self::from)
    }
}

impl From<Stat> for Facts {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "these types differ from system to system"
    )]
    fn from(stat: Stat) -> Self {
        Self {
            mode: stat.st_mode as RawMode,
            owner: stat.st_uid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            identity: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }
}
