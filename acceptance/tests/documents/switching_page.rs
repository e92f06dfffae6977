//! `docs/switching.md`: each path says by which tests it was tried, and there are such
//! tests; its commands are shell.

use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::Command;
use test_support::manual::source::{files_in, root};
use test_support::run::succeeds;

fn page() -> String {
    read_to_string(root().join("docs/switching.md")).unwrap()
}

/// Everything in the folders `tests` and `cases` of the packages.
fn tests() -> Vec<PathBuf> {
    let packages = read_dir(root()).unwrap().map(|package| package.unwrap().path());
    let folders = packages.flat_map(|package| ["tests", "cases"].map(|name| package.join(name)));
    folders.filter(|folder| folder.is_dir()).flat_map(|folder| files_in(&folder)).collect()
}

fn is_test(name: &str, tests: &[PathBuf]) -> bool {
    let (trial, function) = (format!("\"{name}\""), format!("fn {name}("));
    let case = format!("{name}.case");
    let holds = |path: &Path| {
        let text = read_to_string(path).unwrap();
        text.contains(&trial) || text.contains(&function)
    };
    tests.iter().any(|path| {
        path.file_name().is_some_and(|file| file == case.as_str())
            || path.extension().is_some_and(|extension| extension == "rs") && holds(path)
    })
}

/// The names in a paragraph that begins with `Tried: `.
fn named(section: &str) -> Vec<String> {
    let paragraphs = section.split("\n\n").filter_map(|text| text.strip_prefix("Tried: "));
    let names = paragraphs.flat_map(|text| text.split('`').skip(1).step_by(2));
    names.map(|name| name.replace('\n', " ")).collect()
}

#[test]
fn docs_switching_names_tests_that_there_are() {
    let (page, tests) = (page(), tests());
    // Before the paths are the list of them, and the steps that they share.
    for section in page.split("\n## ").skip(2) {
        let names = named(section);
        assert!(!names.is_empty(), "docs/switching.md: by which test was it tried? {section}");
        for name in names {
            assert!(is_test(&name, &tests), "docs/switching.md: there is no test {name:?}");
        }
    }
}

#[test]
fn run_scripts_in_docs_switching_are_shell() {
    let page = page();
    let scripts: Vec<_> = page.split("```sh\n").skip(1).collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let (script, _) = script.split_once("```").unwrap();
        succeeds(Command::new("/bin/sh").args(["-n", "-c", script]));
        // What a backslash continues is one command, with nothing behind it.
        let (_, command) = script.split_once("exec ").unwrap();
        assert_eq!(command.trim_end().lines().count() - 1, command.matches(" \\\n").count());
    }
}
