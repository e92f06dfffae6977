//! Who a process is, and how it becomes somebody else for good.
//!
//! Does not decide whether somebody may be served: that is for the programs of
//! package `checkpassword`, which call it last before they become the next program.

use crate::ids;
use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid};
use std::ffi::CStr;
use std::io;
use std::path::PathBuf;

/// Where supplementary groups come from.
#[derive(Debug, Clone, Copy)]
pub enum Groups<'a> {
    /// All groups that the system's group database lists for this user.
    OfUser(&'a CStr),
    /// None but the primary group: the user is not known to the system.
    PrimaryOnly,
}

/// A user's identity, to be taken on.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The user id; not 0.
    pub uid: u32,
    /// The primary group id; not 0.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Groups<'a>,
}

/// Whether this process may become anybody.
#[must_use]
pub fn runs_as_root() -> bool {
    unistd::geteuid().is_root()
}

/// The user id that this process acts as.
#[must_use]
pub fn own_uid() -> u32 {
    unistd::geteuid().as_raw()
}

impl Identity<'_> {
    /// Takes on the identity: a session keyring of its own, groups, then group, then user, since
    /// the right to change the former goes with the latter. Then looks whether it came out as
    /// asked, and whether root can be had back. A process that is not root changes nothing; it must
    /// be this user already.
    ///
    /// After an error nothing may be done in the name of this user.
    ///
    /// # Errors
    /// The system's reason; `EPERM` for uid 0 or gid 0, for ids that did not come out as
    /// asked, and for an ordinary user who asks to be somebody else; `ENOTRECOVERABLE`
    /// where the way back to root is open.
    pub fn assume(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if self.uid == 0 || self.gid == 0 {
            return Err(Errno::EPERM.into());
        }
        if runs_as_root() {
            leave_session_keyring();
            match self.groups {
                Groups::OfUser(name) => ids::set_groups_of(name, gid)?,
                Groups::PrimaryOnly => ids::set_groups(&[gid])?,
            }
            ids::set_group(gid)?;
            ids::set_user(uid)?;
        }
        verify_is(uid, gid)?;
        verify_no_way_back()
    }
}

/// Leaves the session keyring of whoever started the service for one of this process's
/// own: whoever has it can read what is in it, whatever his user id (session-keyring(7)).
/// A system without such keyrings has nothing to leave.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe wrapper for keyctl is at hand")]
fn leave_session_keyring() {
    // SAFETY: the name is null, which asks for a keyring without one; no other pointer.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<std::ffi::c_char>(),
        )
    };
}

#[cfg(not(target_os = "linux"))]
const fn leave_session_keyring() {}

fn verify_is(uid: Uid, gid: Gid) -> io::Result<()> {
    let (users, groups) = ids::all()?;
    if users.iter().all(|&is| is == uid) && groups.iter().all(|&is| is == gid) {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}

/// Tries what must fail. Ids can come out right and still leave a way back, with
/// capabilities that outlive them, for one (capabilities(7), `SECBIT_KEEP_CAPS`).
fn verify_no_way_back() -> io::Result<()> {
    if unistd::setuid(Uid::from_raw(0)).is_ok() || unistd::setgid(Gid::from_raw(0)).is_ok() {
        return Err(io::Error::from_raw_os_error(libc::ENOTRECOVERABLE));
    }
    Ok(())
}

/// What the system's user database says of a user.
#[derive(Debug, Clone)]
pub struct SystemUser {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// The home folder.
    pub home: PathBuf,
    /// The login shell, `/bin/sh` where the entry names none.
    pub shell: PathBuf,
}

impl SystemUser {
    /// Looks a user up by name; `None` where there is none of that name.
    ///
    /// # Errors
    /// The database could not be asked.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(unistd::User::from_name(name)?.map(Self::from))
    }

    /// The user that this process acts as; `None` where the system does not know it.
    ///
    /// # Errors
    /// The database could not be asked.
    pub fn own() -> io::Result<Option<Self>> {
        Ok(unistd::User::from_uid(unistd::geteuid())?.map(Self::from))
    }
}

impl From<unistd::User> for SystemUser {
    fn from(user: unistd::User) -> Self {
        let shell = if user.shell.as_os_str().is_empty() { "/bin/sh".into() } else { user.shell };
        Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir, shell }
    }
}

/// The id of one of the system's groups; `None` where there is none of that name.
///
/// # Errors
/// The database could not be asked.
pub fn group_named(name: &str) -> io::Result<Option<u32>> {
    Ok(unistd::Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_becomes_root() {
        for (uid, gid) in [(0, 0), (0, 1000), (1000, 0)] {
            let root = Identity { uid, gid, groups: Groups::PrimaryOnly };
            assert_eq!(root.assume().unwrap_err().raw_os_error(), Some(Errno::EPERM as i32));
        }
    }

    #[test]
    fn the_user_database_is_asked() {
        let root = SystemUser::named("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(SystemUser::named("no such user").unwrap().is_none());
        assert_eq!(group_named("root").unwrap(), Some(0));
        assert_eq!(group_named("no such group").unwrap(), None);
    }
}
