//! Too few descriptors, and too few processes: every limit from the smallest up to the
//! one that a session needs.

use acceptance::chain::ROOT;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, bail, ensure};
use test_support::run::{output, stderr};
use test_support::service::AS_NOBODY;

use crate::figures::{Kind, count};
use crate::session::{First, Outcome, Place};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("authup_with_few_descriptors", &[], |it| descriptors(it, First::Authup)),
    ("fixsmtpio_with_few_descriptors", &[], |it| descriptors(it, First::Fixsmtpio)),
    ("checknotroot_with_few_descriptors", &[], checknotroot),
    ("authup_with_few_processes", &[ROOT], |it| processes(it, First::Authup)),
    ("fixsmtpio_with_few_processes", &[ROOT], |it| processes(it, First::Fixsmtpio)),
];

/// Larger than any limit at which a session does not work.
const PLENTY: u32 = 64;

/// The dynamic loader's, which opens the libraries, and ours is not to mend.
const LOADER: &str = "error while loading shared libraries";

fn descriptors(programs: &Programs, first: First) -> Result<()> {
    let place = Place::new(programs)?;
    for limit in 3..PLENTY {
        let option = format!("--nofile={limit}:{limit}");
        let outcome = place.play(&["prlimit", &option], first)?;
        let verdict =
            few_descriptors(&outcome, first).with_context(|| format!("{limit} descriptors"))?;
        count(Kind::Descriptors, verdict);
        if verdict == Verdict::Completed {
            ensure!(limit > 4, "no limit has had an effect");
            return Ok(());
        }
    }
    bail!("{PLENTY} descriptors are not enough")
}

fn few_descriptors(outcome: &Outcome, first: First) -> Result<Verdict> {
    if outcome.log.contains(LOADER) && outcome.status.code() == Some(127) {
        ensure!(outcome.stored == 0 && !outcome.acknowledged(), "{outcome:?}");
        return Ok(Verdict::Refused);
    }
    let verdict = outcome.verdict(first, false)?;
    // A number that is too large for the limit is not an argument that is wrong.
    ensure!(!outcome.log.contains("Invalid argument"), "{outcome:?}");
    Ok(verdict)
}

/// It opens nothing: it runs, or the loader does not.
fn checknotroot(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    let mut ran = 0;
    for limit in 3..12 {
        let mut command = place.chain.command("prlimit");
        if place.chain.begins_as_root() {
            command = place.chain.command(AS_NOBODY[0]);
            command.args(&AS_NOBODY[1..]).arg("prlimit");
        }
        command.arg(format!("--nofile={limit}")).args(["checknotroot", "echo", "up"]);
        let output = output(&mut command, b"");
        let log = stderr(&output);
        let verdict = match output.status.code() {
            Some(0) => Verdict::Completed,
            Some(127) if log.contains(LOADER) => Verdict::Refused,
            _ => bail!("{limit} descriptors: {output:?}"),
        };
        ensure!((verdict == Verdict::Completed) == (output.stdout == b"up\n"), "{output:?}");
        ran += u32::from(verdict == Verdict::Completed);
        count(Kind::Descriptors, verdict);
    }
    ensure!(ran > 0, "it never ran");
    Ok(())
}

/// As a user who has no other process; the limit on processes is by user.
fn processes(programs: &Programs, first: First) -> Result<()> {
    let place = Place::ordinary(programs)?;
    let user = 1_000_000 + std::process::id() * 2 + u32::from(first == First::Authup);
    let user = [format!("--reuid={user}"), format!("--regid={user}")];
    let mut said = Vec::new();
    for limit in 1..PLENTY {
        let limit = format!("--nproc={limit}:{limit}");
        let wrap = ["setpriv", &user[0], &user[1], "--clear-groups", "prlimit", &limit];
        let outcome = place.play(&wrap, first)?;
        let verdict = outcome.verdict(first, false).with_context(|| limit.clone())?;
        count(Kind::Processes, verdict);
        if verdict == Verdict::Completed {
            return processes_said(first, &said);
        }
        said.push(outcome);
    }
    bail!("{PLENTY} processes are not enough")
}

/// Whichever process could not be made, the log names it, and the client was told.
fn processes_said(first: First, said: &[Outcome]) -> Result<()> {
    let reason = "Resource temporarily unavailable\n";
    let starts: &[(&str, &str, i32)] = match first {
        First::Authup => &[
            ("unable to fork: parser: ", "454 authup unable to fork (#4.3.0)\r\n", 1),
            ("unable to fork: sh: ", "454 authup unable to fork (#4.3.0)\r\n", 1),
        ],
        First::Fixsmtpio => &[(
            "fixsmtpio: unable to exec: lax-server: ",
            "421 unable to start the mail server (#4.3.0)\r\n",
            14,
        )],
    };
    for (outcome, (line, told, code)) in said.iter().zip(starts) {
        ensure!(outcome.log.ends_with(&format!("{line}{reason}")), "{line:?}: {outcome:?}");
        let last = outcome.replies.last().map_or("", String::as_str);
        let ends = last == *told && outcome.status.code() == Some(*code);
        ensure!(ends, "{told:?}: {outcome:?}");
    }
    ensure!(said.len() >= starts.len(), "too few limits had an effect: {said:?}");
    Ok(())
}
