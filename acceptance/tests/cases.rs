//! Every file of `cases/` is a test for each transport it can be played over.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use acceptance::case::{Case, User};
use acceptance::play::play;
use acceptance::programs::Programs;
use acceptance::rows::untested;
use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use test_support::needs::is_root;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let programs = Arc::new(Programs::gather(&[Path::new(env!("CARGO_BIN_EXE_stand-in"))])?);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut trials = vec![Trial::test("every_difference_has_a_test", every_difference_has_a_test)];
    for program in sorted(&folder)? {
        for file in sorted(&program)? {
            trials.extend(trials_of(&folder, &file, &programs)?);
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    Ok(conclusion.exit_code())
}

fn sorted(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn trials_of(folder: &Path, file: &Path, programs: &Arc<Programs>) -> Result<Vec<Trial>> {
    let name = file.strip_prefix(folder)?.with_extension("").display().to_string();
    let case =
        Case::parse(&fs::read_to_string(file)?).with_context(|| format!("cases/{name}.case"))?;
    let case = Arc::new(case);
    let needs_root = case.head.user == User::Root && !is_root();
    let trial = |transport: acceptance::case::Transport| {
        let (case, programs) = (Arc::clone(&case), Arc::clone(programs));
        let run = move || {
            play(&case, transport, &programs).map_err(|error| Failed::from(format!("{error:#}")))
        };
        Trial::test(format!("{name}/{}", transport.name()), run).with_ignored_flag(needs_root)
    };
    Ok(case.head.transports.iter().map(|transport| trial(*transport)).collect())
}

fn every_difference_has_a_test() -> Result<(), Failed> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = [package.join("tests"), package.join("../tlsserver/tests")];
    let missing = untested(&package.join("cases"), &tests).map_err(|error| error.to_string())?;
    let checked = || -> Result<()> {
        ensure!(
            missing.is_empty(),
            "no test names the rows {missing:?} of the list of differences"
        );
        Ok(())
    };
    checked().map_err(Failed::from)
}
