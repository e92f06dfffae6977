//! A process's user and group, all of the ids that it has: real, effective and saved.
//!
//! Only for root, and for good. Called by [`crate::identity`] and [`crate::jail`], which
//! know whom to become, and see to the order.

use nix::Result;
use nix::unistd::{Gid, Uid};
#[cfg(feature = "identity")]
use std::ffi::CStr;

/// Sets all group ids.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
pub(crate) fn set_group(gid: Gid) -> Result<()> {
    nix::unistd::setresgid(gid, gid, gid)
}

/// Sets all user ids.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
pub(crate) fn set_user(uid: Uid) -> Result<()> {
    nix::unistd::setresuid(uid, uid, uid)
}

/// Sets all group ids: for root that is what setgid(2) does.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
pub(crate) fn set_group(gid: Gid) -> Result<()> {
    nix::unistd::setgid(gid)
}

/// Sets all user ids: for root that is what setuid(2) does.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
pub(crate) fn set_user(uid: Uid) -> Result<()> {
    nix::unistd::setuid(uid)
}

/// Gives up all supplementary groups but these.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn set_groups(groups: &[Gid]) -> Result<()> {
    nix::unistd::setgroups(groups)
}

/// Gives up all supplementary groups but these.
#[cfg(target_vendor = "apple")]
#[expect(unsafe_code, reason = "nix leaves it out: the system asks a directory for more")]
pub(crate) fn set_groups(groups: &[Gid]) -> Result<()> {
    let numbers: Vec<libc::gid_t> = groups.iter().map(|group| group.as_raw()).collect();
    let count = numbers.len().try_into().map_err(|_| nix::errno::Errno::EINVAL)?;
    // SAFETY: so many numbers are there, and are read before it returns.
    nix::errno::Errno::result(unsafe { libc::setgroups(count, numbers.as_ptr()) }).map(drop)
}

/// Has the supplementary groups that the system's database lists for a user.
#[cfg(all(feature = "identity", not(target_vendor = "apple")))]
pub(crate) fn set_groups_of(user: &CStr, group: Gid) -> Result<()> {
    nix::unistd::initgroups(user, group)
}

/// Has the supplementary groups that the system's database lists for a user.
#[cfg(all(feature = "identity", target_vendor = "apple"))]
#[expect(unsafe_code, reason = "nix leaves it out: the system asks a directory for more")]
pub(crate) fn set_groups_of(user: &CStr, group: Gid) -> Result<()> {
    let group = group.as_raw().cast_signed();
    // SAFETY: a string that ends, and is read before it returns.
    nix::errno::Errno::result(unsafe { libc::initgroups(user.as_ptr(), group) }).map(drop)
}

/// All ids, as far as the system tells: user ids, group ids.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
pub(crate) fn all() -> Result<(Vec<Uid>, Vec<Gid>)> {
    let (uids, gids) = (nix::unistd::getresuid()?, nix::unistd::getresgid()?);
    let users = vec![uids.real, uids.effective, uids.saved];
    Ok((users, vec![gids.real, gids.effective, gids.saved]))
}

/// All ids, as far as the system tells, which has no call for the saved ones.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
#[expect(clippy::unnecessary_wraps, reason = "other systems can fail")]
pub(crate) fn all() -> Result<(Vec<Uid>, Vec<Gid>)> {
    use nix::unistd::{getegid, geteuid, getgid, getuid};
    Ok((vec![getuid(), geteuid()], vec![getgid(), getegid()]))
}
