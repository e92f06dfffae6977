//! `make install`: what is built, every manual page, and what is in contrib as examples,
//! where each is looked for. Nothing is built by it.
//!
//! The programs here are stand-ins: files of their names, as a copy is a copy. So
//! this test needs no build of the other packages.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::BTreeMap;
use std::fs::{create_dir, read, read_dir, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use test_support::needs;
use test_support::needs::{installed_or_skip, skipped};
use test_support::run::{output, stderr};

/// A folder of its own for each test, removed with it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        ["fast", "root"].iter().for_each(|inside| create_dir(folder.path(inside)).unwrap());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn build(&self, program: &str) {
        write(self.path("fast").join(program), program).unwrap();
    }

    /// Runs `make install`.
    fn install(&self, settings: &[&str]) -> Output {
        let mut make = Command::new("make");
        // Whatever would build fails.
        make.arg("install").args(settings).args(["BUILD=fast", "CARGO=false"]);
        make.arg(format!("DESTDIR={}", self.path("root").display())).current_dir(root());
        // What `make test` was told is not for this one.
        make.env("CARGO_TARGET_DIR", self.0.path()).env_remove("MAKEFLAGS");
        output(&mut make, b"")
    }

    /// What was installed.
    fn installed(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        files(&self.path("root"))
    }
}

/// Each file below a folder: its path there, mode and contents.
fn files(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.insert(name, (mode, read(&path).unwrap()));
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Each page's file name.
fn pages() -> Vec<String> {
    let pages = read_dir(root().join("man")).unwrap();
    pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect()
}

fn programs() -> Vec<String> {
    pages().iter().filter_map(|page| page.strip_suffix(".8")).map(str::to_owned).collect()
}

#[test]
fn programs_pages_and_examples_go_where_they_are_looked_for() {
    needs!("make");
    for (settings, prefix, bin, man, etc) in [
        (&[][..], "usr/local", "usr/local/bin", "usr/local/share/man", "etc"),
        (&["PREFIX=/opt/mail"], "opt/mail", "opt/mail/bin", "opt/mail/share/man", "etc"),
        (
            &["PREFIX=/usr", "SBINDIR=/usr/sbin", "MANDIR=/man", "SYSCONFDIR=/usr/etc"],
            "usr",
            "usr/sbin",
            "man",
            "usr/etc",
        ),
    ] {
        let folder = Folder::new();
        let mut expected = BTreeMap::new();
        for program in programs() {
            folder.build(&program);
            let contents = program.clone().into_bytes();
            expected.insert(format!("{bin}/{program}"), (0o755, contents));
        }
        for page in pages() {
            let section = page.rsplit('.').next().unwrap();
            let contents = read(root().join("man").join(&page)).unwrap();
            expected.insert(format!("{man}/man{section}/{page}"), (0o644, contents));
        }
        for (from, to) in [
            ("completions/acceptutils.bash", "share/bash-completion/completions/acceptutils"),
            ("completions/_acceptutils", "share/zsh/site-functions/_acceptutils"),
            ("completions/acceptutils.fish", "share/fish/vendor_completions.d/acceptutils.fish"),
        ] {
            let contents = read(root().join(from)).unwrap();
            expected.insert(format!("{prefix}/{to}"), (0o644, contents));
        }
        let pam = read(root().join("contrib/pam.d/checkpassword")).unwrap();
        expected.insert(format!("{etc}/pam.d/checkpassword"), (0o644, pam));
        for (name, (mode, contents)) in files(&root().join("contrib")) {
            // Those make packages.
            if !name.starts_with("debian/") && !name.starts_with("packaging/") {
                // Whatever the checkout's umask.
                let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
                let path = format!("{prefix}/share/doc/acceptutils/examples/{name}");
                expected.insert(path, (mode, contents));
            }
        }
        let ran = folder.install(settings);
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(folder.installed(), expected);
        // The jails' root folder.
        let empty = folder.path("root/var/empty").metadata().unwrap();
        assert!(empty.is_dir() && empty.permissions().mode() & 0o7777 == 0o755, "{empty:?}");
    }
}

#[test]
fn a_package_without_dependencies_is_not_made() {
    let path = std::env::var_os("PATH");
    let Some(make) = unix::search_path::find("make".as_ref(), path.as_deref()) else {
        return skipped("make deb", "needs make");
    };
    let mut make = Command::new(make);
    // Whatever would build fails, and dpkg-dev is not in this path.
    make.args(["deb", "CARGO=false", "BUILD=fast"]).env("PATH", "/nonexistent");
    let ran = output(make.env_remove("MAKEFLAGS").current_dir(root()), b"");
    let said = stderr(&ran);
    assert!(!ran.status.success());
    assert!(said.contains("make: dpkg-shlibdeps not found: install dpkg-dev\n"), "{said}");
}

#[test]
fn what_is_not_built_is_named_and_nothing_is_installed() {
    needs!("make");
    let folder = Folder::new();
    programs()
        .iter()
        .filter(|program| *program != "authup")
        .for_each(|program| folder.build(program));
    let ran = folder.install(&[]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(!ran.status.success());
    assert!(said.contains("fast/authup: not built: run make first\n"), "{said}");
    assert!(folder.installed().is_empty());
}

#[test]
fn the_debian_package_has_the_same_programs() {
    let manifest = std::fs::read_to_string(root().join("admin/Cargo.toml")).unwrap();
    let assets = manifest.split("[\"target/release/").skip(1);
    let mut packaged: Vec<_> = assets.filter_map(|asset| asset.split('"').next()).collect();
    packaged.sort_unstable();
    let mut programs = programs();
    programs.sort_unstable();
    assert_eq!(packaged, programs);
}

#[test]
fn the_debian_package_has_all_of_contrib() {
    let manifest = std::fs::read_to_string(root().join("admin/Cargo.toml")).unwrap();
    for folder in read_dir(root().join("contrib")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        // The package's own scripts are taken as a whole; others' packages are not in it.
        let is_in = ["debian", "packaging"].contains(&name.as_str())
            || manifest.contains(&format!("[\"../contrib/{name}/"));
        assert!(is_in, "contrib/{name} is not among the assets in admin/Cargo.toml");
    }
}

/// What `make install` makes, without the leading slash, in a prefix.
fn installed(prefix: &str) -> Option<Vec<String>> {
    if !installed_or_skip("make install for packages", "make") {
        return None;
    }
    let folder = Folder::new();
    programs().iter().for_each(|program| folder.build(program));
    let ran = folder.install(&[&format!("PREFIX=/{prefix}")]);
    assert!(ran.status.success(), "{ran:?}");
    Some(folder.installed().into_keys().collect())
}

/// Whether a path is the pattern, or below it; a star is any number of characters of a name.
fn is_listed(path: &str, pattern: &str) -> bool {
    let names: Vec<_> = path.split('/').collect();
    let patterns: Vec<_> = pattern.split('/').collect();
    let matches = |(name, pattern): (&&str, &&str)| match pattern.split_once('*') {
        Some((first, last)) => {
            name.len() >= pattern.len() - 1 && name.starts_with(first) && name.ends_with(last)
        }
        None => name == pattern,
    };
    names.len() >= patterns.len() && names.iter().zip(&patterns).all(matches)
}

#[test]
fn the_rpm_lists_what_is_installed() {
    let Some(mut installed) = installed("usr") else { return };
    // What the spec installs besides.
    let units = files(&root().join("contrib/systemd"));
    installed.extend(units.into_keys().map(|unit| format!("usr/lib/systemd/system/{unit}")));
    let spec = read(root().join("contrib/packaging/rpm/acceptutils.spec")).unwrap();
    let spec = String::from_utf8(spec).unwrap();
    let (_, list) = spec.split_once("\n%files\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let mut patterns = Vec::new();
    for line in list.lines() {
        // A folder, or what RPM takes from the source.
        if ["%license", "%doc ", "%dir "].iter().any(|kind| line.starts_with(kind)) {
            continue;
        }
        let mut pattern = line.trim_start_matches("%config(noreplace) ").to_owned();
        for (name, value) in [
            ("%{_bindir}", "usr/bin"),
            ("%{_mandir}", "usr/share/man"),
            ("%{_docdir}", "usr/share/doc"),
            ("%{_datadir}", "usr/share"),
            ("%{_unitdir}", "usr/lib/systemd/system"),
            ("%{_sysconfdir}", "etc"),
        ] {
            pattern = pattern.replace(name, value);
        }
        patterns.push(pattern);
    }
    for path in &installed {
        assert!(patterns.iter().any(|pattern| is_listed(path, pattern)), "not listed: {path}");
    }
    for pattern in patterns {
        assert!(installed.iter().any(|path| is_listed(path, &pattern)), "not there: {pattern}");
    }
}

#[test]
fn the_bsds_list_what_is_installed_without_tls_and_pam() {
    let Some(installed) = installed("usr") else { return };
    let others = ["acceptutils", "tlsserver", "checkpassword-pam"];
    let mut expected = Vec::new();
    for path in installed {
        let (_, name) = path.rsplit_once('/').unwrap();
        let is_program = path.starts_with("usr/bin/") || path.contains("/man8/");
        if is_program && !others.contains(&name.trim_end_matches(".8"))
            || path.contains("/man5/")
            || path.contains("/man7/")
        {
            expected.push(path.trim_start_matches("usr/").to_owned());
        } else if let Some((_, name)) = path.split_once("examples/control/") {
            expected.push(format!("share/examples/acceptutils/{name}"));
        }
    }
    expected.sort();
    for list in ["pkgsrc/PLIST", "freebsd/pkg-plist"] {
        let text = read(root().join("contrib/packaging").join(list)).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('@'));
        let mut listed: Vec<_> = lines
            .map(|line| line.replace("%%EXAMPLESDIR%%", "share/examples/acceptutils"))
            .map(|line| line.trim_end_matches(".gz").to_owned())
            // pkgsrc's list has it where a variable says.
            .map(|line| if line.starts_with("man/") { format!("share/{line}") } else { line })
            .collect();
        listed.sort();
        assert_eq!(listed, expected, "{list}");
    }
}
