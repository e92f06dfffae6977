//! As whom the programs of a row run, and what such a user can read.

use super::service::Service;
use crate::run_script::{Link, Role};
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

/// As whom whatever stands behind these links runs.
pub(super) fn behind(service: &Service, links: &[Link<'_>]) -> Who {
    let mut who = service.starter.clone();
    // `$UID` and `$GID`, which another program may make its own.
    let mut of_environment = Who::Unknown;
    for link in links {
        match (link.name(), link.role()) {
            ("setuidgid", _) => who = account(link, last_word(link)),
            // With all groups that the account is in.
            ("s6-setuidgid", _) => who = account(link, last_word(link)).in_others(),
            ("envuidgid" | "s6-envuidgid", _) => of_environment = account(link, last_word(link)),
            ("chpst", _) => {
                if let Some(said) = link.option('u') {
                    who = account(link, said);
                }
                if let Some(said) = link.option('U') {
                    of_environment = account(link, said);
                }
            }
            ("tlsserver", _) => match service.tlsserver() {
                Some(Ok(options)) if options.identity_from_environment => {
                    who = of_environment.clone()
                }
                Some(Ok(options)) => {
                    if let Some(uid) = options.user {
                        let how = format!("-u {uid}");
                        who = Who::User(User { uid, gid: options.group, in_others: false, how });
                    }
                }
                // What is wrong with the options is said elsewhere; a number that the shell
                // computes is nobody's here.
                _ => who = Who::Unknown,
            },
            ("s6-applyuidgid", _) | (_, Role::Server) => {
                if let Some(said) = link.option('u') {
                    let said = number(said, link.option('g'));
                    who = if link.option('G').is_some() { said.in_others() } else { said };
                } else if link.option('U').is_some() {
                    who = of_environment.clone().in_others();
                }
            }
            _ if !link.is_known => who = Who::Unknown,
            _ => {}
        }
    }
    who
}

/// Whether it is there to run what is behind it as another user.
pub(super) fn changes(link: &Link<'_>) -> bool {
    match link.name() {
        "setuidgid" | "s6-setuidgid" | "envuidgid" | "s6-envuidgid" | "s6-applyuidgid" => true,
        "chpst" => link.option('u').is_some(),
        _ => false,
    }
}

/// As whom tlsserver itself runs, or whatever server stands in its place.
pub(super) fn of_server(service: &Service) -> Who {
    let links = service.script.links();
    let at = links.iter().position(|link| link.role() == Role::Server).unwrap_or_default();
    behind(service, links.get(..at).unwrap_or_default())
}

fn last_word<'a>(link: &Link<'a>) -> &'a str {
    link.arguments.last().map_or("", |word| word.text.as_str())
}

fn number(uid: &str, gid: Option<&str>) -> Who {
    let how = format!("-u {uid}");
    let gid = gid.and_then(|gid| gid.parse().ok());
    let user = |uid| Who::User(User { uid, gid, in_others: false, how });
    uid.parse().map_or(Who::Unknown, user)
}

/// An account by its name or, as chpst and s6 have it, `:UID:GID`, `NAME:GROUP` or `UID:GID`.
fn account(link: &Link<'_>, said: &str) -> Who {
    named(said, format!("{} {said}", link.name()))
}

fn named(said: &str, how: String) -> Who {
    let (name, group) = said.trim_start_matches(':').split_once(':').unzip();
    let name = name.unwrap_or(said.trim_start_matches(':'));
    if let Ok(uid) = name.parse() {
        let gid = group.and_then(|gid| gid.parse().ok());
        return Who::User(User { uid, gid, in_others: false, how });
    }
    let Ok(Some(user)) = SystemUser::named(name) else { return Who::Unknown };
    let gid = group.is_none().then_some(user.gid);
    Who::User(User { uid: user.uid, gid, in_others: false, how })
}

impl Who {
    /// An account, with all groups that it is in, and the group that it is given beside.
    pub(super) fn account(name: &str, group: Option<&str>, how: String) -> Self {
        match named(name, how).in_others() {
            Self::User(user) if group.is_some() => {
                let gid = group.and_then(|group| group_named(group).ok().flatten());
                Self::User(User { gid, ..user })
            }
            who => who,
        }
    }

    /// The same, who may be in other groups as well.
    fn in_others(self) -> Self {
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
