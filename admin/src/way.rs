//! Who could put something else in place of a file: whoever can change it, or a folder on the
//! way to it, or the folder of a symbolic link on that way.
//!
//! `check` asks for each file and folder that it looks at, and says what it finds; root's tasks
//! that write files ask for the way to these, and write nothing where it is not root's alone.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use unix::identity::{own_uid, runs_as_root};

/// What another could change, and why.
pub(crate) type Fault = (PathBuf, String);

/// How many links the system follows on the way to a file.
const LINKS: u8 = 40;

/// The way to a file, as the system goes it.
#[derive(Debug, Default)]
struct Way {
    /// The folders that are passed, those of links, too, none of them a link; `/` first.
    folders: Vec<PathBuf>,
    /// The links that are followed.
    links: Vec<PathBuf>,
    /// What is at the end.
    end: PathBuf,
}

/// What on the way to a file or folder another could change. Besides root and whoever runs this,
/// those who are right may own it.
fn on_the_way(way: &Way, is_right: impl Fn(u32) -> bool + Copy) -> Vec<Fault> {
    let mut faults = Vec::new();
    for folder in &way.folders {
        if let Ok(found) = folder.metadata() {
            faults.extend(judge(&found, is_right).map(|text| (folder.clone(), text)));
        }
    }
    // In a folder of everybody's, whoever has made a link can make another.
    let in_shared = |link: &&PathBuf| {
        link.parent()
            .and_then(|folder| folder.metadata().ok())
            .is_some_and(|found| is_shared(&found))
    };
    for link in way.links.iter().filter(in_shared) {
        if let Ok(found) = link.symlink_metadata() {
            faults.extend(wrong_owner(&found, is_right).map(|text| (link.clone(), text)));
        }
    }
    faults
}

/// The same, with what is at the end, which is there.
pub(crate) fn faults(
    path: &Path,
    found: &Metadata,
    is_right: impl Fn(u32) -> bool + Copy,
) -> Vec<Fault> {
    let way = Way::to(path);
    let mut faults = on_the_way(&way, is_right);
    // A folder has one name here, however one comes to it.
    let end = if found.is_dir() { &way.end } else { path };
    faults.extend(judge(found, is_right).map(|text| (end.to_owned(), text)));
    faults
}

/// Whether root, for whom this runs, can work in a file's folder, whether or not there is a file:
/// where another could change what is on the way, root would work wherever the other has it lead.
///
/// # Errors
/// What another could change, and why.
pub(crate) fn is_ours(path: &Path) -> io::Result<()> {
    let faults = if runs_as_root() { on_the_way(&Way::to(path), |_| false) } else { Vec::new() };
    faults.into_iter().next().map_or(Ok(()), |(place, text)| {
        let text = format!("{}: {text}", place.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    })
}

/// Whether everybody can come to a folder and enter it.
pub(crate) fn is_open(folder: &Path) -> bool {
    let Way { mut folders, end, .. } = Way::to(folder);
    folders.push(end);
    let can_enter = |found: Metadata| found.permissions().mode() & 0o001 != 0;
    folders.iter().all(|folder| folder.metadata().is_ok_and(can_enter))
}

/// Who could change something, by its mode, and by whose it is.
fn judge(found: &Metadata, is_right: impl Fn(u32) -> bool) -> impl Iterator<Item = String> {
    let mode = found.permissions().mode() & 0o7777;
    let is_open = others_can_write(found) && !is_shared(found);
    let open = is_open.then(|| format!("mode {mode:o}: its group or others can change it"));
    open.into_iter().chain(wrong_owner(found, is_right))
}

fn wrong_owner(found: &Metadata, is_right: impl Fn(u32) -> bool) -> Option<String> {
    let owner = found.uid();
    let is_wrong = owner != 0 && owner != own_uid() && !is_right(owner);
    is_wrong.then(|| format!("belongs to user {owner}, who can change it"))
}

/// Whether it is a folder to which others may add files, and where they can replace nobody
/// else's.
fn is_shared(found: &Metadata) -> bool {
    let is_sticky = found.permissions().mode() & 0o1000 != 0;
    found.is_dir() && is_sticky && others_can_write(found)
}

/// Whether its group or all can.
fn others_can_write(found: &Metadata) -> bool {
    found.permissions().mode() & 0o022 != 0
}

impl Way {
    fn to(path: &Path) -> Self {
        let mut way = Self { end: "/".into(), ..Self::default() };
        let Ok(path) = std::path::absolute(path) else { return way };
        let mut rest = parts(&path);
        while let Some(name) = rest.pop() {
            if name == ".." {
                way.end.pop();
                continue;
            }
            if !way.folders.contains(&way.end) {
                way.folders.push(way.end.clone());
            }
            let next = way.end.join(&name);
            let Ok(target) = next.read_link() else {
                way.end = next;
                continue;
            };
            way.links.push(next);
            if way.links.len() > usize::from(LINKS) {
                break;
            }
            if target.is_absolute() {
                way.end = "/".into();
            }
            rest.extend(parts(&target));
        }
        way
    }
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{lchown, symlink};
    use test_support::needs;

    /// A folder of everybody's in which nobody replaces another's files is root's way, too.
    #[test]
    fn root_works_where_nobody_else_says_what_leads_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let set = |name: &str, mode| {
            std::fs::set_permissions(path(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        for name in ["own", "all", "theirs"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        set("all", 0o1777);
        for name in ["own/new", "all/new", "none/such"] {
            is_ours(&path(name)).unwrap();
        }
        needs!("root");
        lchown(path("theirs"), Some(7), None).unwrap();
        symlink("../own", path("theirs/link")).unwrap();
        symlink("../own", path("all/link")).unwrap();
        lchown(path("all/link"), Some(7), None).unwrap();
        set("own", 0o775);
        let expected = |name: &str, why: &str| format!("{}: {why}", path(name).display());
        let belongs = "belongs to user 7, who can change it";
        for (name, expected) in [
            ("theirs/new", expected("theirs", belongs)),
            ("theirs/link/new", expected("theirs", belongs)),
            ("own/new", expected("own", "mode 775: its group or others can change it")),
        ] {
            assert_eq!(is_ours(&path(name)).unwrap_err().to_string(), expected);
        }
        set("own", 0o755);
        let error = is_ours(&path("all/link/new")).unwrap_err().to_string();
        assert_eq!(error, expected("all/link", belongs));
    }

    #[test]
    fn the_way_passes_the_folders_of_all_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["a", "b", "c/d"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::write(root.join("c/d/file"), b"").unwrap();
        symlink(root.join("b/second"), root.join("a/first")).unwrap();
        symlink("../c/x/../d", root.join("b/second")).unwrap();
        symlink("circle", root.join("a/circle")).unwrap();
        let way = |path: &str| {
            let Way { folders, links, end } = Way::to(&root.join(path));
            let inside = |paths: Vec<PathBuf>| {
                let inside = paths.iter().filter_map(|path| path.strip_prefix(&root).ok());
                inside.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
            };
            (inside(folders), inside(links), inside(vec![end]))
        };
        let expected = (" a b c c/d", "a/first b/second", "c/d/file");
        let expected = (expected.0.into(), expected.1.into(), expected.2.into());
        assert_eq!(way("a/first/file"), expected);
        assert_eq!(way("c/d/../d/file").0, " c c/d");
        assert_eq!(way("none/such"), (" none".into(), String::new(), "none/such".into()));
        assert_eq!(way("a/circle").1.split(' ').count(), usize::from(LINKS) + 1);
        assert_eq!(Way::to(&root).folders[0], Path::new("/"));
    }
}
