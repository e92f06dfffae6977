//! A home folder with a Maildir in it, for somebody as whom a mail program runs: nobody, where
//! [`mail_server`](crate::mail_server) tries one, and the user of [`demo`](crate::demo).
//!
//! All is made while it belongs to this process, and given away from the inside out: in a folder
//! that is somebody else's, root makes and changes nothing, as a link there leads anywhere.

use std::fs::{create_dir, write};
use std::io;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

/// Its folders, each behind the one that it is in.
const FOLDERS: [&str; 4] = ["Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"];

/// Makes the folder, which must not be there yet, in one of this process's own; with these files
/// in it, and all of it this user's and group's, if it is to be another's.
///
/// # Errors
/// The system's reason.
pub(crate) fn make(home: &Path, files: &[(&str, &str)], ids: Option<(u32, u32)>) -> io::Result<()> {
    let mut made = vec![home.to_owned()];
    create_dir(home)?;
    for folder in FOLDERS.map(|name| home.join(name)) {
        create_dir(&folder)?;
        made.push(folder);
    }
    for (name, contents) in files {
        let file = home.join(name);
        write(&file, contents)?;
        made.push(file);
    }
    ids.map_or(Ok(()), |ids| give_away(&made, ids))
}

/// The last first, and no link followed.
fn give_away(made: &[PathBuf], (uid, gid): (u32, u32)) -> io::Result<()> {
    made.iter().rev().try_for_each(|path| lchown(path, Some(uid), Some(gid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};
    use test_support::needs;
    use test_support::needs::is_root;

    #[test]
    fn what_others_have_put_there_is_neither_used_nor_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(path("roots"), "kept").unwrap();
        symlink("roots", path("file")).unwrap();
        symlink("nowhere", path("link")).unwrap();
        create_dir(path("home")).unwrap();
        symlink("../roots", path("home/Maildir")).unwrap();
        let ids = is_root().then_some((1, 1));
        for name in ["file", "link", "home"] {
            let made = make(&path(name), &[("roots", "changed")], ids);
            assert_eq!(made.unwrap_err().kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert!(!path("nowhere").exists());
        assert_eq!(std::fs::read(path("roots")).unwrap(), b"kept");
        needs!("root");
        give_away(&[path("home"), path("home/Maildir")], (1, 1)).unwrap();
        let owner = |name: &str| path(name).symlink_metadata().unwrap().uid();
        assert_eq!((owner("home"), owner("home/Maildir"), owner("roots")), (1, 1, 0));
    }

    #[test]
    fn all_of_it_is_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let ids = is_root().then_some((7, 8));
        make(&home, &[(".forward", "Maildir/")], ids).unwrap();
        for name in [&[".", ".forward"][..], &FOLDERS].concat() {
            let found = home.join(name).metadata().unwrap();
            assert!(ids.is_none_or(|ids| ids == (found.uid(), found.gid())), "{name}");
        }
        assert_eq!(std::fs::read(home.join(".forward")).unwrap(), b"Maildir/");
    }
}
