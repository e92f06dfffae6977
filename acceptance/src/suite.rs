//! How a suite runs whose tests say what they need, and which writes figures.
//!
//! Called by the `main` of each such suite in `tests`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use test_support::service;

use crate::chain::is_installed;
use crate::programs::Programs;

/// A test: its name, the programs it needs or [`crate::chain::ROOT`], and what it does.
pub type Test = (&'static str, &'static [&'static str], fn(&Programs) -> Result<()>);

/// Runs the tests, as the reaper of whatever they leave behind. `built` are programs of
/// the suite's own. Where all have been run, `write_figures` is called.
pub fn run(
    tests: Vec<Test>,
    built: &[&str],
    write_figures: fn() -> Result<()>,
) -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let built: Vec<&Path> = built.iter().map(Path::new).collect();
    let programs = Arc::new(Programs::gather(&built)?);
    let trials: Vec<Trial> = tests.into_iter().map(|test| trial(test, &programs)).collect();
    let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if is_whole && conclusion.num_ignored == 0 {
        write_figures()?;
    }
    Ok(conclusion.exit_code())
}

fn trial((name, needs, run): Test, programs: &Arc<Programs>) -> Trial {
    let missing = missing(needs);
    let programs = Arc::clone(programs);
    let test = move || run(&programs).map_err(|error| Failed::from(format!("{error:#}")));
    Trial::test(format!("{name}{missing}"), test).with_ignored_flag(!missing.is_empty())
}

/// Writes what a suite has counted into the build's folder.
pub fn write(name: &str, text: &str) -> Result<()> {
    let path = service::programs().with_file_name(name);
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// The row about this of `docs/under-attack.md`, which has a copy of what one run has counted.
pub fn row_of_the_page(what: &str) -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/under-attack.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let row = page.lines().find(|line| line.starts_with(&format!("| {what} | ")));
    row.map(str::to_owned).with_context(|| format!("docs/under-attack.md has no row {what:?}"))
}

/// What is said behind a test's name where it has to be skipped; empty where not.
#[must_use]
pub fn missing(needs: &[&str]) -> String {
    let missing: Vec<&str> = needs.iter().copied().filter(|need| !is_installed(need)).collect();
    if missing.is_empty() {
        String::new()
    } else {
        format!(" SKIPPED, not there: {}", missing.join(" "))
    }
}
