//! Where programs are looked for: `PATH`, read as execvp(3) reads it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for when there is no `PATH`.
const DEFAULT: &str = "/bin:/usr/bin";

/// Where a program of this name may be, in the order in which it is looked for: in the
/// folders of `path`, an empty one of which is the working directory. A name with a slash
/// says itself where.
pub(crate) fn places(name: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.as_bytes().contains(&b'/') {
        return vec![name.into()];
    }
    let folders = path.unwrap_or(OsStr::new(DEFAULT)).as_bytes().split(|&octet| octet == b':');
    folders.map(|folder| Path::new(OsStr::from_bytes(folder)).join(name)).collect()
}

/// The file that would be run under this name; `None` where there is none.
#[must_use]
pub fn find(name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    places(name, path).into_iter().find(|file| is_program(file))
}

/// Whether a file can be run, by somebody.
#[must_use]
pub fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, Permissions, create_dir, set_permissions};

    #[test]
    fn a_name_is_looked_up_unless_it_says_where() {
        let found = |name: &str, path: &str| places(name.as_ref(), Some(path.as_ref()));
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(found("prog", "/a:/b/"), paths(&["/a/prog", "/b/prog"]));
        assert_eq!(found("prog", ":/a::"), paths(&["prog", "/a/prog", "prog", "prog"]));
        assert_eq!(found("./prog", "/a:/b"), paths(&["./prog"]));
        assert_eq!(places("sh".as_ref(), None), paths(&["/bin/sh", "/usr/bin/sh"]));
        assert!(found("", "/a").is_empty());
    }

    #[test]
    fn the_first_that_can_be_run_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let [text, inside, good] = ["text", "inside", "good"].map(|name| folder.path().join(name));
        for place in [&text, &inside, &good] {
            create_dir(place).unwrap();
        }
        File::create(text.join("prog")).unwrap();
        create_dir(inside.join("prog")).unwrap();
        let prog = good.join("prog");
        File::create(&prog).unwrap();
        set_permissions(&prog, Permissions::from_mode(0o700)).unwrap();
        let path = std::env::join_paths([&text, &inside, &good]).unwrap();
        assert_eq!(find("prog".as_ref(), Some(&path)), Some(prog.clone()));
        assert_eq!(find(prog.as_ref(), None), Some(prog));
        assert_eq!(find(text.join("prog").as_ref(), Some(&path)), None);
        assert_eq!(find("prog".as_ref(), None), None);
    }
}
