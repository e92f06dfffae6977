//! `docs/dependencies.md` against the packages' manifests: every crate has a line there, and
//! no line is about a crate that is not used.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use test_support::manual::source::root;

/// The crates that a manifest names, but for the packages of this workspace.
fn named_by(manifest: &str) -> Vec<String> {
    let mut crates = Vec::new();
    let mut is_list = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_list = line.ends_with("dependencies]");
        } else if let Some((name, value)) = line.split_once(" = ")
            && is_list
            && !value.contains("path = ")
            && !value.contains("workspace = true")
            && !name.ends_with(".workspace")
        {
            crates.push(name.to_owned());
        }
    }
    crates
}

#[test]
fn docs_dependencies_lists_the_crates_that_are_used_and_no_others() {
    let packages = read_dir(root()).unwrap().map(|entry| entry.unwrap().path().join("Cargo.toml"));
    let manifests = packages.chain([root().join("bench/stand-ins/Cargo.toml")]);
    let manifests = manifests.filter(|path| path.is_file());
    let used: BTreeSet<_> =
        manifests.flat_map(|path| named_by(&read_to_string(path).unwrap())).collect();

    let page = read_to_string(root().join("docs/dependencies.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let listed: BTreeSet<_> = rows
        .flat_map(|(names, _)| names.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    assert!(used.len() > 20, "{used:?}");
    assert_eq!(used, listed);
}
