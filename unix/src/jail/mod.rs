//! What a process gives up before it reads a stranger's first octet.
//!
//! The steps, in the order in which they work: the file system and the user while it is
//! still root; what it may use of the machine ([`limits`]); then what the kernel refuses
//! to whoever asks ([`kernel`]): Landlock, and last the system call filter, which would
//! forbid all of the others.
//! Every step is one function; [`enter`] takes them all.
//!
//! Systems other than Linux have the first step, and of the last what their kernel knows:
//! pledge(2) on OpenBSD, Capsicum on FreeBSD, nothing elsewhere. [`lacks`] says so.

#[cfg(target_os = "linux")]
mod filter;
#[cfg_attr(target_os = "freebsd", path = "capsicum.rs")]
#[cfg_attr(target_os = "openbsd", path = "pledge.rs")]
#[cfg_attr(
    not(any(target_os = "freebsd", target_os = "linux", target_os = "openbsd")),
    path = "no_kernel.rs"
)]
mod kernel;
#[cfg(target_os = "linux")]
mod limits;

use crate::{ids, root_folder};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A jail profile: what a process in it still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A server with an event loop, on sockets that it is given.
    Server {
        /// How many it may have to serve at the same time.
        clients: u64,
    },
    /// It answers what it is asked on channels that it is given, and computes.
    Signer,
    /// The one side of a fork, in a dialog with the client on descriptors 0 and 1,
    /// which it may exchange for others that it has. It ends with its parent.
    Dialog,
    /// It passes octets on between the client and a child that it has started, and
    /// waits for the child's end. It may start no other.
    Relay,
}

/// User and group that the process becomes, if it is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub user: u32,
    /// The group's number; there will be no other groups.
    pub group: u32,
}

impl Identity {
    /// `nobody`, as most systems number it.
    pub const NOBODY: Self = Self { user: 65534, group: 65534 };

    /// Whether a number is one to become in a jail: not root's, and not the one that means
    /// that nothing is to be changed (setresuid(2)).
    #[must_use]
    pub(crate) const fn is_for_jails(number: u32) -> bool {
        number != 0 && number != u32::MAX
    }

    /// The number that a variable of this name has, of a user or of a group.
    ///
    /// # Errors
    /// It is not a number, or none for a jail.
    pub fn number(name: &'static str, value: &[u8]) -> Result<u32, NoIdentity> {
        let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        let number = number.ok_or(NoIdentity::NotANumber(name))?;
        if Self::is_for_jails(number) { Ok(number) } else { Err(NoIdentity::LeavesRoot(name)) }
    }
}

/// What is wrong with a variable that is to say who a process becomes in its jail.
#[derive(Debug, PartialEq, Eq)]
pub enum NoIdentity {
    /// It is not a number.
    NotANumber(&'static str),
    /// It is a number by which the process would stay root.
    LeavesRoot(&'static str),
}

impl std::fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotANumber(name) => write!(f, "{name}: not a number"),
            Self::LeavesRoot(name) => write!(f, "{name}: 0 and 4294967295 would leave it root"),
        }
    }
}

/// Why a process could not be jailed: the step, and the system's reason.
#[derive(Debug)]
pub struct Failure {
    /// The step that failed.
    pub step: &'static str,
    /// The reason.
    pub reason: io::Error,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.step, self.reason)
    }
}

fn step<T, E: Into<io::Error>>(step: &'static str, done: Result<T, E>) -> Result<T, Failure> {
    done.map_err(|reason| Failure { step, reason: reason.into() })
}

/// Takes all steps. The process should have one thread. There is no way back.
///
/// As an ordinary user, and without an `identity`, the file system's root and the
/// user stay what they are; what the kernel refuses holds all the same. Root that cannot
/// leave the file system, as in some containers, goes without that where Landlock forbids
/// files.
///
/// # Errors
/// The first step that failed; the process should then end.
pub fn enter(profile: Profile, identity: Option<Identity>) -> Result<(), Failure> {
    let mut has_left = Ok(());
    if let Some(identity) = identity.filter(|_| Uid::effective().is_root()) {
        has_left = leave_file_system();
        become_user(identity)?;
    }
    // After the change of user, which would undo part of it.
    #[cfg(target_os = "linux")]
    limits::set(profile)?;
    kernel::restrict(profile, has_left)
}

/// What a process of this profile goes without on this system, where [`enter`] takes every
/// step that there is: for the log. `becomes_another` says whether a change of user is one.
#[must_use]
pub const fn lacks(profile: Profile, becomes_another: bool) -> Option<&'static str> {
    if kernel::has_filter(profile) {
        None
    } else if becomes_another {
        Some("no system call filter on this system")
    } else {
        Some("neither another user nor a system call filter")
    }
}

/// Names the process for those who list processes, where the system can; 15 octets
/// are shown.
pub fn set_name(name: &CStr) {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_name(name);
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// The new root is [`root_folder::PATH`], or else a directory that is empty and no longer exists,
/// which takes longer to make.
fn leave_file_system() -> Result<(), Failure> {
    const WHAT: &str = "leaving the file system";
    if !is_fit_for_root(Path::new(root_folder::PATH))
        || nix::unistd::chdir(root_folder::PATH).is_err()
    {
        step(WHAT, enter_what_is_gone(&std::env::temp_dir()))?;
    }
    step(
        WHAT,
        nix::unistd::chroot(".")
            .map_err(|why| missing("the capability sys_chroot is missing", why)),
    )?;
    step(WHAT, nix::unistd::chdir("/"))
}

/// Names the capability that a refusal is for.
fn missing(capability: &'static str, reason: Errno) -> io::Error {
    match reason {
        Errno::EPERM => io::Error::new(io::ErrorKind::PermissionDenied, capability),
        other => other.into(),
    }
}

fn is_fit_for_root(directory: &Path) -> bool {
    fs::symlink_metadata(directory)
        .is_ok_and(|found| found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0)
}

fn enter_what_is_gone(folder: &Path) -> io::Result<()> {
    let directory = nix::unistd::mkdtemp(&folder.join("empty.XXXXXX")).map_err(|why| {
        let reason = io::Error::from(why);
        let folder = folder.display();
        io::Error::new(
            reason.kind(),
            format!("no folder {} of root's; {folder}: {reason}", root_folder::PATH),
        )
    })?;
    let entered = nix::unistd::chdir(&directory);
    fs::remove_dir(&directory)?;
    Ok(entered?)
}

fn become_user(Identity { user, group }: Identity) -> Result<(), Failure> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    let no_groups = "the capability setgid is missing";
    let no_users = "the capability setuid is missing";
    step("change of groups", ids::set_groups(&[]).map_err(|why| missing(no_groups, why)))?;
    step("change of group", ids::set_group(group).map_err(|why| missing(no_groups, why)))?;
    step("change of user", ids::set_user(user).map_err(|why| missing(no_users, why)))?;
    step("change of user", verify_is(user, group))
}

/// A call that says that it worked is not enough to go on with: some numbers mean that
/// nothing is to be changed.
fn verify_is(user: Uid, group: Gid) -> Result<(), Errno> {
    let (users, groups) = ids::all()?;
    let are_ours = users.iter().all(|id| *id == user) && groups.iter().all(|id| *id == group);
    if are_ours && !user.is_root() { Ok(()) } else { Err(Errno::EPERM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_lacks_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let said = enter_what_is_gone(&gone).unwrap_err().to_string();
        let expected = format!("no folder /var/empty of root's; {}: No such file", gone.display());
        assert!(said.starts_with(&expected), "{said}");
        let said = missing("the capability setuid is missing", Errno::EPERM).to_string();
        assert_eq!(said, "the capability setuid is missing");
        assert_eq!(
            missing("the capability setuid is missing", Errno::EINVAL).raw_os_error(),
            Some(22)
        );
    }
}
