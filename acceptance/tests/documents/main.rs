//! Pages that are about more than one package's programs: the manual as a whole, the page on
//! control files, the overview, `docs/logging.md`, `docs/switching.md` and
//! `docs/dependencies.md`, against the code and one another.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod dependencies_page;
mod log_page;
mod switching_page;

use proto::relay::rules::Rules;
use std::collections::BTreeSet;
use std::process::Command;
use test_support::manual::page::Page;
use test_support::manual::page_of;
use test_support::manual::source::{Program, Source, is_name, root};
use test_support::needs;
use test_support::run::{output, stdout, succeeds};

#[test]
fn the_page_on_control_files_has_all_of_them_and_all_of_the_grammar() {
    let page = Page::named("acceptutils-control.5");
    let pages = Program::all().into_iter().map(|program| page_of(&program));
    let files: BTreeSet<_> = pages.flat_map(|page| page.items("CONTROL FILES", "Pa")).collect();
    assert_eq!(page.items("CONTROL FILES", "Pa"), files);

    let (text, marked) = (page.text(), page.marked());
    for word in Source::read(root().join("proto/src/relay/rules/grammar.rs")).literals() {
        let is_there = if is_name(&word) { marked.contains(&word) } else { text.contains(&word) };
        assert!(is_there, "man/{}: {word} is missing", page.name);
    }
}

#[test]
fn the_rules_explained_are_those_that_we_ship() {
    let shipped = std::fs::read_to_string(root().join("contrib/control/fixsmtpio")).unwrap();
    let rules = shipped.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let displays = Page::named("acceptutils-control.5").displays();
    let explained: BTreeSet<_> = displays.iter().flat_map(|display| display.lines()).collect();
    assert_eq!(explained, rules.collect());
    assert_eq!(Rules::parse(shipped.as_bytes()).err(), None);
}

#[test]
fn run_scripts_in_the_overview_are_shell() {
    let scripts = Page::named("acceptutils.7").displays();
    assert!(!scripts.is_empty());
    for script in scripts {
        succeeds(Command::new("/bin/sh").args(["-n", "-c", &script]));
        assert!(script.contains("exec tlsserver "), "{script}");
        // What a backslash continues is one command, with nothing behind it.
        let (_, command) = script.split_once("exec tlsserver ").unwrap();
        assert_eq!(command.trim_end().lines().count() - 1, command.matches(" \\\n").count());
    }
}

#[test]
fn references_among_the_pages_hold() {
    let pages = Page::all();
    let names: BTreeSet<_> = pages.iter().map(|page| page.name.clone()).collect();
    for page in &pages {
        for reference in page.references() {
            let (name, _) = reference.rsplit_once('.').unwrap();
            let ours = names.iter().any(|known| known.rsplit_once('.').unwrap().0 == name);
            assert!(!ours || names.contains(&reference), "man/{}: {reference}", page.name);
        }
    }
    let overview = Page::named("acceptutils.7").references();
    for name in names.iter().filter(|name| name.ends_with(".8")) {
        assert!(overview.contains(name), "man/acceptutils.7: {name} is missing");
    }
}

#[test]
fn mandoc_finds_nothing_to_complain_of() {
    needs!("mandoc");
    let pages = Page::all();
    let paths = pages.iter().map(|page| &page.path);
    let ran = output(Command::new("mandoc").args(["-T", "lint"]).args(paths), b"");
    let said = stdout(&ran);
    assert!(ran.status.code().is_some_and(|level| level <= 1), "more than style: {said}");
    // Which pages are installed on this machine is not the matter.
    let is_serious = |line: &&str| !line.contains("STYLE: referenced manual not found");
    let complaints: Vec<_> = said.lines().filter(is_serious).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
