//! Who could put something else in place of a file: whoever can change it, or a folder on the
//! way to it, or the folder of a symbolic link on that way.
//!
//! What a file is, and who must be able to read it, is for others to say; `permissions` asks
//! here for each file and folder that it looks at.

use super::findings::Findings;
use super::identity::Who;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use unix::identity::own_uid;

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

/// Looks at a file or folder that is there, and at the way to it. Besides root and whoever
/// checks, `reader` may own it: whoever reads it can change for itself what it reads.
pub(super) fn check(path: &Path, found: &Metadata, reader: &Who, findings: &mut Findings) {
    let Way { folders, links, end } = Way::to(path);
    for folder in folders {
        if let Ok(found) = folder.metadata() {
            judge(&folder, &found, reader, findings);
        }
    }
    // In a folder of everybody's, whoever has made a link can make another.
    let in_shared = |link: &&PathBuf| {
        link.parent()
            .and_then(|folder| folder.metadata().ok())
            .is_some_and(|found| is_shared(&found))
    };
    for link in links.iter().filter(in_shared) {
        if let Ok(found) = link.symlink_metadata() {
            check_owner(link, &found, reader, findings);
        }
    }
    // A folder has one name here, however one comes to it.
    judge(if found.is_dir() { &end } else { path }, found, reader, findings);
}

/// The same of all that is in a folder, and in those below it.
pub(super) fn check_all(folder: &Path, findings: &mut Findings) {
    let Ok(entries) = folder.read_dir() else { return };
    if let Ok(found) = folder.metadata() {
        check(folder, &found, &Who::Starter, findings);
    }
    for entry in entries.flatten() {
        let path = entry.path();
        // Not by its type behind links, which may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            check_all(&path, findings);
        } else if let Ok(found) = path.metadata() {
            check(&path, &found, &Who::Starter, findings);
        }
    }
}

fn judge(path: &Path, found: &Metadata, reader: &Who, findings: &mut Findings) {
    if others_can_write(found) && !is_shared(found) {
        let mode = found.permissions().mode() & 0o7777;
        findings.error(path, format!("mode {mode:o}: its group or others can change it"));
    }
    check_owner(path, found, reader, findings);
}

fn check_owner(path: &Path, found: &Metadata, reader: &Who, findings: &mut Findings) {
    let owner = found.uid();
    let is_right = match reader {
        Who::Starter => false,
        Who::User(user) => user.uid == owner,
        Who::Unknown => true,
    };
    if owner != 0 && owner != own_uid() && !is_right {
        findings.error(path, format!("belongs to user {owner}, who can change it"));
    }
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
    use std::os::unix::fs::symlink;

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
