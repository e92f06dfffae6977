//! Where systemd finds units and their drop-ins, by systemd.unit(5): which file is a unit's, which
//! drop-ins belong to it and in which order, and which units are enabled.

use super::unit::Unit;
use crate::check::findings::Findings;
use crate::check::folder::{self, is_absence};
use proto::names::Variable;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use unix::environment::inherited;
use unix::regular_file::read;

/// Folders, those first that win. systemd's own `generator`s make none of these.
#[derive(Debug)]
pub(super) struct LoadPath(Vec<PathBuf>);

/// Where systemd looks by default.
const USUAL: [&str; 8] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What there is of a name.
#[derive(Debug)]
pub(super) enum Found {
    Unit(Unit),
    /// By this file: it cannot be started.
    Masked(PathBuf),
    /// What it says is not known.
    Unreadable(PathBuf, io::Error),
}

impl LoadPath {
    /// A folder of units alone.
    pub(super) fn of_folder(folder: PathBuf) -> Self {
        Self(vec![folder])
    }

    /// The system's; as systemd has it, `SYSTEMD_UNIT_PATH` says another, and the usual one where
    /// it ends in a colon.
    pub(super) fn of_system() -> Self {
        let usual = USUAL.iter().map(PathBuf::from);
        let Some(said) = inherited(Variable::SystemdUnitPath) else { return Self(usual.collect()) };
        let folders = std::env::split_paths(&said).filter(|folder| folder.is_absolute());
        let is_open = said.as_encoded_bytes().ends_with(b":");
        Self(folders.chain(usual.filter(|_| is_open)).collect())
    }

    /// Whether the folders, and what says which units are enabled, can be read.
    pub(super) fn check(&self, findings: &mut Findings) {
        for folder in &self.0 {
            let names = folder::entries(folder, findings).into_iter().flatten();
            for wants in names.filter(|path| path.to_str().is_some_and(is_of_wants)) {
                folder::entries(&wants, findings);
            }
        }
    }

    /// The services there: of templates those of these instances, and those that are enabled or
    /// have drop-ins of their own.
    pub(super) fn services(&self, instances: &[&str]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for name in self.0.iter().flat_map(|folder| entries(folder)) {
            if let Some(template) = name.strip_suffix("@.service") {
                names.extend(instances.iter().map(|one| format!("{template}@{one}.service")));
            } else if let Some(unit) = name.strip_suffix(".d").filter(|unit| is_instance(unit)) {
                names.insert(unit.to_owned());
            } else {
                names.insert(name);
            }
        }
        names.extend(self.enabled().into_keys());
        names.retain(|name| name.ends_with(".service"));
        names
    }

    /// Those that another unit wants, each with the link that says so.
    pub(super) fn enabled(&self) -> BTreeMap<String, PathBuf> {
        let mut enabled = BTreeMap::new();
        for folder in &self.0 {
            let names = entries(folder).into_iter().filter(|name| is_of_wants(name));
            for folder in names.map(|name| folder.join(name)) {
                for name in entries(&folder) {
                    let link = folder.join(&name);
                    enabled.entry(name).or_insert(link);
                }
            }
        }
        enabled
    }

    /// The folders of a unit's own drop-ins that an administrator has made.
    pub(super) fn own_drop_ins(&self, name: &str) -> Option<PathBuf> {
        let folders = self.0.iter().map(|folder| folder.join(format!("{name}.d")));
        folders.filter(|folder| !folder.starts_with("/usr")).find(|folder| folder.is_dir())
    }

    /// A unit, by its own file or its template's; none where there is none, or where the name is
    /// another name of one.
    pub(super) fn load(&self, name: &str) -> Option<Found> {
        let names = [name.to_owned(), template(name)];
        let places =
            names.iter().flat_map(|name| self.0.iter().map(move |folder| folder.join(name)));
        let file = places.into_iter().find(|file| file.exists())?;
        let real = file.canonicalize().ok()?;
        let text = read(&file);
        if real == Path::new("/dev/null") || text.as_ref().is_ok_and(Vec::is_empty) {
            return Some(Found::Masked(file));
        }
        if !names.iter().any(|name| real.ends_with(name)) {
            return None;
        }
        let text = match text {
            Ok(text) => text,
            Err(error) => return Some(Found::Unreadable(file, error)),
        };
        let (files, settings, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let drop_ins = self.drop_ins(name, &mut unreadable);
        let mut unit = Unit { name: name.to_owned(), files, settings, unreadable };
        unit.add(file, &text);
        for path in drop_ins {
            match read(&path) {
                Ok(text) => unit.add(path, &text),
                // It takes the others of its name away, and says nothing.
                Err(_) if path.canonicalize().is_ok_and(|real| real == Path::new("/dev/null")) => {}
                Err(error) if is_absence(&error) => {}
                Err(error) => unit.unreadable.push((path, error)),
            }
        }
        Some(Found::Unit(unit))
    }

    /// The drop-ins of a unit in the order in which they are read: that of their names, whichever
    /// folders they are in. Of one name the first counts.
    fn drop_ins(&self, name: &str, unreadable: &mut Vec<(PathBuf, io::Error)>) -> Vec<PathBuf> {
        let names = names_with_drop_ins(name);
        let own = self
            .0
            .iter()
            .flat_map(|folder| names.iter().map(move |name| folder.join(format!("{name}.d"))));
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        let of_all = self.0.iter().map(|folder| folder.join(format!("{kind}.d")));
        let mut found = BTreeMap::new();
        for folder in own.chain(of_all) {
            if let Some(error) = folder.read_dir().err().filter(|error| !is_absence(error)) {
                unreadable.push((folder, error));
                continue;
            }
            let files = entries(&folder).into_iter();
            for file in files.filter(|name| name.ends_with(".conf") && !name.starts_with('.')) {
                let path = folder.join(&file);
                found.entry(file).or_insert(path);
            }
        }
        found.into_values().collect()
    }
}

/// Whether what is in a folder of this name is enabled.
fn is_of_wants(name: &str) -> bool {
    name.ends_with(".wants") || name.ends_with(".requires")
}

/// The names in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .map(OsString::into_string)
        .filter_map(Result::ok)
        .collect()
}

fn is_instance(name: &str) -> bool {
    name.split_once('@').is_some_and(|(_, instance)| !instance.starts_with('.'))
}

/// The template that the unit is one of; else the unit itself.
pub(super) fn template(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((prefix, _)), Some((_, kind))) => format!("{prefix}@.{kind}"),
        _ => name.to_owned(),
    }
}

/// The names whose drop-ins are the unit's, its own first: `a-b@c.service`, `a-b@.service`, and
/// the same of `a-`.
fn names_with_drop_ins(name: &str) -> Vec<String> {
    let cut = name.find('@').or_else(|| name.rfind('.')).unwrap_or(name.len());
    let (prefix, rest) = name.split_at(cut);
    let mut names = Vec::new();
    let shorter = prefix.rmatch_indices('-').filter_map(|(at, _)| prefix.get(..=at));
    let shorter = shorter.filter(|shorter| *shorter != prefix);
    for prefix in [prefix].into_iter().chain(shorter) {
        let name = format!("{prefix}{rest}");
        let template = template(&name);
        names.extend([name, template]);
    }
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_the_drop_ins_of_its_template_and_of_shorter_names() {
        let expected = ["a-b@c-d.service", "a-b@.service", "a-@c-d.service", "a-@.service"];
        assert_eq!(names_with_drop_ins("a-b@c-d.service"), expected);
        assert_eq!(names_with_drop_ins("a-b.socket"), ["a-b.socket", "a-.socket"]);
    }

    /// Whichever folders they are in; of one name, that of the first folder, and of the instance
    /// before the template.
    #[test]
    fn drop_ins_are_read_by_their_names() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["etc", "run", "usr"].map(|name| root.path().join(name));
        for (file, text) in [
            ("usr/a@.service", "[Service]\nX=unit\n"),
            ("usr/a@b.service.d/10.conf", "[Service]\nX=10\n"),
            ("etc/a@.service.d/30.conf", "[Service]\nX=30\n"),
            ("run/a@b.service.d/20.conf", "[Service]\nX=20\n"),
            ("usr/a@b.service.d/20.conf", "[Service]\nX=lost\n"),
            ("etc/a@.service.d/40.conf", "[Service]\nX=lost\n"),
            ("etc/a@b.service.d/40.conf", "[Service]\nX=40\n"),
            ("run/service.d/05.conf", "[Service]\nX=05\n"),
            ("run/service.d/10.conf", "[Service]\nX=lost\n"),
            ("usr/a@.service.d/50.conf", "[Service]\nX=lost\n"),
            ("etc/a@c.service.d/10.conf", "[Service]\nX=lost\n"),
            ("etc/a@b.service.d/60", "[Service]\nX=lost\n"),
        ] {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", folders[1].join("a@b.service.d/50.conf")).unwrap();
        std::os::unix::fs::symlink("/dev/null", folders[0].join("a@d.service")).unwrap();
        let path = LoadPath(folders.into());
        let Some(Found::Unit(unit)) = path.load("a@b.service") else { panic!() };
        let values: Vec<_> = unit.all("Service", "X").map(|one| one.value.as_str()).collect();
        assert_eq!(values, ["unit", "05", "10", "20", "30", "40"]);
        assert!(matches!(path.load("a@d.service"), Some(Found::Masked(_))));
        assert!(path.load("b.service").is_none());
        let services: Vec<_> = path.services(&["x"]).into_iter().collect();
        assert_eq!(services, ["a@b.service", "a@c.service", "a@d.service", "a@x.service"]);
    }
}
