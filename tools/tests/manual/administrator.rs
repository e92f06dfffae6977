//! acceptutils(8) against the code of `acceptutils`: options, variables, control files
//! and exit codes. What it prints is for people, and not an interface.

use crate::SECTIONS;
use crate::page::Page;
use crate::source::{Source, files_in, root};
use std::collections::BTreeSet;
use std::ffi::OsStr;

fn sources() -> Vec<Source> {
    let mut files = files_in(&root().join("admin/src"));
    // The demonstration's servers are other programs.
    files.retain(|file| !file.ends_with("demo-smtp-into-maildir.rs"));
    files.retain(|file| !file.ends_with("demo-pop3-from-maildir.rs"));
    // A test.
    files.retain(|file| !file.ends_with("completions.rs"));
    files.retain(|file| file.extension() == Some(OsStr::new("rs")));
    files.into_iter().map(Source::read).collect()
}

fn page() -> Page {
    Page::named("acceptutils.8")
}

/// Options as clap has them: `#[arg(long = "NAME" …)]`, or else the name of the field
/// behind it, with hyphens.
fn options(source: &Source) -> Vec<String> {
    let attributes = source.text.split("#[arg(long").skip(1);
    let names = attributes.map(|behind| match behind.strip_prefix(" = \"") {
        Some(name) => name.split('"').next().unwrap(),
        None => {
            let (_, field) = behind.split_once(")]\n").unwrap();
            field.split(':').next().unwrap().trim()
        }
    });
    names.map(|name| format!("-{}", name.replace('_', "-"))).collect()
}

#[test]
fn every_option_is_in_the_page_and_back() {
    let options: BTreeSet<_> = sources().iter().flat_map(options).collect();
    assert_eq!(page().options(), options);
}

#[test]
fn every_variable_is_in_the_page_and_back() {
    let mut variables = BTreeSet::new();
    for source in sources() {
        let read = source.text.split("env::var_os(\"").skip(1);
        variables.extend(read.map(|behind| behind.split('"').next().unwrap().to_owned()));
        if source.text.contains("tempfile::Builder") {
            variables.insert("TMPDIR".into());
        }
    }
    assert_eq!(page().items("ENVIRONMENT", "Ev"), variables);
}

#[test]
fn every_control_file_is_in_the_page_and_back() {
    let sources = sources();
    let literals = sources.iter().flat_map(Source::literals);
    let files: BTreeSet<_> = literals.filter(|literal| literal.starts_with("control/")).collect();
    assert_eq!(page().items("CONTROL FILES", "Pa"), files);
}

#[test]
fn every_exit_code_is_in_the_page_and_back() {
    let sources = sources();
    let outcome = sources.iter().find_map(|source| source.text.split_once("enum Outcome {\n"));
    let (variants, _) = outcome.unwrap().1.split_once('}').unwrap();
    let count = variants.lines().filter(|line| line.ends_with(',')).count();
    assert_eq!(page().exit_codes(), (0..u8::try_from(count).unwrap()).collect());
}

#[test]
fn the_page_has_the_shape_of_the_others() {
    let page = page();
    let sections = page.sections();
    let known = sections.into_iter().filter(|title| SECTIONS.contains(title));
    assert_eq!(known.collect::<Vec<_>>(), SECTIONS);
}
