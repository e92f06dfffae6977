//! As whom a program runs, and what such a user can read.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use unix::access_list;
use unix::identity::{SystemUser, group_named};

/// As whom a program runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// As whoever runs the script: root, as a rule.
    Starter,
    /// As this user, by what the row or systemd's unit says.
    User(User),
    /// Nobody here knows.
    Unknown,
}

/// A user that a row, or systemd's unit, names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct User {
    /// Its id.
    pub(super) uid: u32,
    /// Its group's, where it is known.
    pub(super) gid: Option<u32>,
    /// It may be in other groups as well.
    in_others: bool,
    /// The words that say so.
    pub(super) how: String,
}

impl Who {
    /// A user by the number, and the group's where it is known.
    pub(super) const fn numbered(uid: u32, gid: Option<u32>, how: String) -> Self {
        Self::User(User { uid, gid, in_others: false, how })
    }

    /// An account by its name or, as chpst and s6 have it, `:UID:GID`, `NAME:GROUP` or `UID:GID`.
    pub(super) fn named(said: &str, how: String) -> Self {
        let (name, group) = said.trim_start_matches(':').split_once(':').unzip();
        let name = name.unwrap_or(said.trim_start_matches(':'));
        if let Ok(uid) = name.parse() {
            let gid = group.and_then(|gid| gid.parse().ok());
            return Self::numbered(uid, gid, how);
        }
        let Ok(Some(user)) = SystemUser::named(name) else { return Self::Unknown };
        let gid = group.is_none().then_some(user.gid);
        Self::numbered(user.uid, gid, how)
    }

    /// An account, with all groups that it is in, and the group that it is given beside.
    pub(super) fn account(name: &str, group: Option<&str>, how: String) -> Self {
        match Self::named(name, how).in_others() {
            Self::User(user) if group.is_some() => {
                let gid = group.and_then(|group| group_named(group).ok().flatten());
                Self::User(User { gid, ..user })
            }
            who => who,
        }
    }

    /// The same, who may be in other groups as well.
    pub(super) fn in_others(self) -> Self {
        match self {
            Self::User(user) => Self::User(User { in_others: true, ..user }),
            other => other,
        }
    }
}

impl User {
    /// Whom an entry of a users file names; without a group it may be in any.
    pub(super) const fn of_entry(uid: u32, gid: Option<u32>) -> Self {
        Self { uid, gid, in_others: false, how: String::new() }
    }

    /// The folder that keeps this user out of another one: that one or one above it.
    pub(super) fn barred_at(&self, folder: &Path) -> Option<PathBuf> {
        let folder = folder.canonicalize().ok()?;
        let above: Vec<_> = folder.ancestors().collect();
        let barred = above.into_iter().rev().find(|folder| !self.may(folder, 1));
        barred.map(Path::to_owned)
    }

    /// Whether this user can read a file; where it cannot be told, it can.
    pub(super) fn can_read(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return true };
        let mut folders = path.ancestors();
        let file = folders.next().is_none_or(|file| self.may(file, 4));
        file && folders.all(|folder| self.may(folder, 1))
    }

    /// By the bits of a file's mode, unless it is root; of its group nobody knows who else is in
    /// it.
    fn may(&self, path: &Path, bit: u32) -> bool {
        let Some(found) = path.metadata().ok().filter(|_| self.uid != 0) else { return true };
        let bits = if found.uid() == self.uid {
            bit << 6
        } else {
            match self.gid {
                Some(gid) if gid == found.gid() => bit << 3,
                Some(_) if !self.in_others => bit,
                _ => bit << 3 | bit,
            }
        };
        found.mode() & bits != 0 || has_access_list(path)
    }
}

/// Whether more than the mode says who may do what (acl(5)).
fn has_access_list(path: &Path) -> bool {
    access_list::of(path).is_ok_and(|list| list.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{XattrFlags, setxattr};
    use rustix::io::Errno;
    use std::os::unix::fs::PermissionsExt;
    use test_support::needs::skipped;

    /// Another user than the folder's owner may enter it by these bits.
    #[test]
    fn a_user_is_barred_by_the_mode_unless_an_access_list_says_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let set = |mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        let found = path.metadata().unwrap();
        let (owner, own_group) = (found.uid(), found.gid());
        let barred = |uid, gid| User::of_entry(uid, gid).barred_at(path);
        for (mode, of_group, of_others, of_any) in [
            (0o700, false, false, false),
            (0o710, true, false, true),
            (0o701, false, true, true),
            (0o666, false, false, false),
        ] {
            set(mode);
            let of_owner = mode & 0o100 != 0 || owner == 0;
            assert_eq!(barred(owner, None).is_none(), of_owner, "{mode:o}");
            assert_eq!(barred(owner + 1, Some(own_group)).is_none(), of_group, "{mode:o}");
            assert_eq!(barred(owner + 1, Some(own_group + 1)).is_none(), of_others, "{mode:o}");
            assert_eq!(barred(owner + 1, None).is_none(), of_any, "{mode:o}");
        }
        set(0o700);
        assert_eq!(barred(owner + 1, None), Some(path.canonicalize().unwrap()));
        // The owner, user 1, the group, the mask, and others: what each may, and who it is.
        let entries = [(1, 7, !0), (2, 1, 1), (4, 0, !0), (16, 1, !0), (32, 0, !0_u32)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, may, who) in entries {
            list.extend([tag, 0, may, 0]);
            list.extend(who.to_le_bytes());
        }
        match setxattr(path, c"system.posix_acl_access", &list, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return skipped("access lists", "no file system with them"),
            set => set.unwrap(),
        }
        assert_eq!(barred(owner + 1, Some(own_group + 1)), None);
    }
}
