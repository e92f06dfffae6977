//! acceptutils(8) against the code of `acceptutils`: options, variables, control files
//! and exit codes. What it prints is for people, and not an interface.

use crate::Cli;
use crate::outcome::Outcome;
use clap::CommandFactory;
use proto::names::{ControlFile, Variable};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use test_support::manual::page::Page;
use test_support::manual::source::{Source, files_in, named_in, root};
use test_support::manual::{has_its_shape, holds_options};

fn sources() -> Vec<Source> {
    let mut files = files_in(&root().join("admin/src"));
    // The demonstration's servers are other programs.
    files.retain(|file| !file.ends_with("demo-smtp-into-maildir.rs"));
    files.retain(|file| !file.ends_with("demo-pop3-from-maildir.rs"));
    // Tests.
    files.retain(|file| !file.ends_with("completions.rs") && !file.ends_with("manual.rs"));
    files.retain(|file| file.extension() == Some(OsStr::new("rs")));
    files.into_iter().map(Source::read).collect()
}

fn page() -> Page {
    Page::named("acceptutils.8")
}

/// The long options of a command and of those below it, as pages have them.
fn options(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_long);
    let own = own.map(|name| format!("-{name}"));
    own.chain(command.get_subcommands().flat_map(options)).collect()
}

#[test]
fn every_option_is_in_the_page_and_back() {
    holds_options("acceptutils.8", &options(&Cli::command()));
}

#[test]
fn every_variable_is_in_the_page_and_back() {
    let sources = sources();
    let mut variables = named_in(&sources, Variable::ALL, |one| one.name());
    if sources.iter().any(|source| source.text.contains("tempfile::Builder")) {
        variables.insert(Variable::TmpDir.name().into());
    }
    assert_eq!(page().items("ENVIRONMENT", "Ev"), variables);
}

#[test]
fn every_control_file_is_in_the_page_and_back() {
    let files = named_in(&sources(), ControlFile::ALL, |file| format!("control/{}", file.name()));
    assert_eq!(page().items("CONTROL FILES", "Pa"), files);
}

#[test]
fn every_exit_code_is_in_the_page_and_back() {
    assert_eq!(page().exit_codes(), Outcome::ALL.map(|outcome| outcome as u8).into());
}

#[test]
fn the_page_has_the_shape_of_the_others() {
    has_its_shape(&page());
}
