//! A clock that jumps by more than any deadline each time that it is looked at: deadlines
//! are on the monotonic one.
//!
//! libfaketime stands between the programs and the clock of day; it needs programs that
//! are linked dynamically, as the builds that tests use are.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use test_support::needs::skipped;

use crate::figures::{Kind, count};
use crate::session::{First, Place};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[("clocks_that_jump", &["faketime"], clocks_that_jump)];

/// A day and more each time; ten years ahead to begin with, or behind.
const JUMPS: [&str; 2] = ["FAKETIME=+3650d i100000", "FAKETIME=-3650d i100000"];
const YEAR: u64 = 365 * 24 * 60 * 60;

fn clocks_that_jump(programs: &Programs) -> Result<()> {
    if std::env::var_os("ACCEPTANCE_PROGRAMS").is_some() {
        skipped("clocks_that_jump", "may be linked statically");
        return Ok(());
    }
    let place = Place::new(programs)?;
    let preload = format!("LD_PRELOAD={}", library()?.display());
    for jump in JUMPS {
        // The shell is the first that the library is loaded into, which cleans up behind
        // itself at its end: a process in jail could not.
        let shell = ["sh", "-c", r#""$0" "$@"; exit $?"#];
        let wrap = [&["env", &preload, "DONT_FAKE_MONOTONIC=1", jump][..], &shell].concat();
        let shows = place.start_words(&[&wrap[..], &["date", "+%s"]].concat())?;
        let shown = shows.over()?.replies.concat();
        let seen: u64 = shown.trim_end().parse().with_context(|| format!("{shown:?}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        ensure!(seen.abs_diff(now) > 9 * YEAR, "the clock shows {seen}, and it is {now}");
        for first in [First::Authup, First::Fixsmtpio] {
            let outcome = place.play(&wrap, first)?;
            let verdict = outcome.verdict(first, false)?;
            ensure!(verdict == Verdict::Completed, "{jump}: {outcome:?}");
            count(Kind::Clock, verdict);
        }
    }
    Ok(())
}

/// In the folder of whatever processor this is.
fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.exists()).context("no libfaketime.so.1")
}
