//! Signals: ignored or blocked by whoever starts us, stopping a process in the middle of
//! a session, telling authup to end, and a login program that does not listen to them.

use std::fs;

use acceptance::chain::ROOT;
use acceptance::peer::connect;
use acceptance::processes::{Process, of_group};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use test_support::hanging::Hanging;
use test_support::process::{signal, signal_unless_gone};
use test_support::run::hand_over;
use test_support::wait::{until, until_gone};

use crate::figures::{Kind, count};
use crate::session::{First, Place, Session, monitor, parser};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("signals_that_whoever_starts_us_ignores_or_blocks", &[], inherited),
    ("a_login_is_refused_with_child_signals_ignored", &[], refused_with_child_signals_ignored),
    ("tlsserver_counts_down_with_child_signals_ignored", &[], tlsserver_counts_down),
    ("processes_that_are_stopped_and_go_on", &[], stopped),
    ("authup_is_told_to_end_at_each_step", &[], terminated),
    ("a_login_program_that_hangs_and_has_descendants", &[ROOT], hangs_with_descendants),
    ("a_login_program_that_cannot_be_killed", &[ROOT], hangs_unkillable),
    ("a_login_program_that_hangs_and_cannot_be_watched", &["strace"], hangs_unwatched),
];

/// As env(1) of coreutils has it.
const INHERITED: [&str; 8] = [
    "--ignore-signal=CHLD",
    "--ignore-signal=PIPE",
    "--ignore-signal=ALRM",
    "--ignore-signal=TERM",
    "--ignore-signal=HUP,INT,QUIT,USR1,USR2",
    "--block-signal=CHLD",
    "--block-signal=PIPE,ALRM,TERM",
    "--block-signal",
];

fn inherited(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    for first in [First::Authup, First::Fixsmtpio] {
        let usual = place.play(&[], first)?;
        for option in INHERITED {
            let outcome = place.play(&["env", option], first)?;
            let verdict = outcome.verdict(first, false).with_context(|| option)?;
            ensure!(verdict == Verdict::Completed, "{option}: {outcome:?}");
            ensure!(outcome.replies == usual.replies, "{option}: {outcome:?}");
            count(Kind::Inherited, verdict);
        }
    }
    Ok(())
}

/// The exit code of a child that nobody had to wait for says whether a login is good.
fn refused_with_child_signals_ignored(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    let mut session = place.start(&["env", "--ignore-signal=CHLD"], First::Authup)?;
    ensure!(session.hear()? && session.ask("EHLO client")?, "no session");
    session.ask("AUTH PLAIN AGJvYgB3cm9uZw==")?;
    let refused = "535 authup authorization failed (#5.7.0)\r\n";
    ensure!(session.last_reply() == refused, "{:?}", session.last_reply());
    ensure!(session.ask("QUIT")?, "{:?}", session.last_reply());
    let outcome = session.over()?;
    ensure!(outcome.status.code() == Some(0), "{outcome:?}");
    count(Kind::Inherited, Verdict::Completed);
    Ok(())
}

/// A connection that ended makes room for the next one.
fn tlsserver_counts_down(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    let chain = &place.chain;
    let usual = chain.tls_command(&["-n", "-c", "1"], &["printf", "served"]);
    let mut command = chain.command("env");
    hand_over(command.arg("--ignore-signal=CHLD"), &usual);
    let server = chain.start(command.env("UCSPITLS", ""))?;
    for _ in 0..3 {
        let served = connect(&server)?.rest()?;
        ensure!(served == b"served", "{}", served.escape_ascii());
        count(Kind::Inherited, Verdict::Completed);
    }
    Ok(())
}

fn stopped(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    for first in [First::Authup, First::Fixsmtpio] {
        // More than a session has processes: each is stopped before each line.
        for which in 0..5 {
            let mut session = place.start(&[], first)?;
            ensure!(session.hear()?, "no greeting");
            for line in first.lines() {
                let victim = stop_one(&session, which);
                session.say(line);
                // Whoever is done with it may have killed it.
                signal_unless_gone(victim, Signal::CONT);
                ensure!(session.hear()?, "after {line:?}: {:?}", session.last_reply());
                count(Kind::Stopped, Verdict::Completed);
            }
            let outcome = session.over()?;
            ensure!(outcome.is_whole(first) && outcome.stored == 1, "{outcome:?}");
        }
    }
    Ok(())
}

/// Stops one of the session's processes. One that was about to end does not stop: then
/// it is the next one's turn.
fn stop_one(session: &Session, which: usize) -> u32 {
    loop {
        let mut running = of_group(session.pid());
        running.retain(|one| !one.has_ended());
        let victim = running[which % running.len()].pid;
        signal_unless_gone(victim, Signal::STOP);
        let is_settled = |one: &Option<Process>| {
            one.as_ref().is_none_or(|one| one.state == 'T' || one.has_ended())
        };
        let seen = until("process that is stopped", || Process::look(victim), is_settled);
        if seen.is_some_and(|one| one.state == 'T') {
            return victim;
        }
    }
}

/// Before the login the parser goes too; the programs behind one go on without authup.
fn terminated(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    let lines = First::Authup.lines();
    for step in 0..=lines.len() {
        let mut session = place.start(&[], First::Authup)?;
        ensure!(session.hear()?, "no greeting");
        let (before, after) = lines.split_at(step);
        let monitor = monitor(session.pid()).context("no monitor")?;
        let parser = parser(session.pid()).context("no parser")?;
        for line in before {
            ensure!(session.ask(line)?, "{:?}", session.last_reply());
        }
        let has_ended = step == lines.len();
        if !has_ended {
            signal(monitor, Signal::TERM);
        }
        until_gone(parser);
        let is_logged_in = step > 1;
        for line in after {
            ensure!(session.ask(line)? == is_logged_in, "{:?}", session.last_reply());
        }
        let outcome = session.over().with_context(|| format!("after {step} lines"))?;
        let stored = usize::from(is_logged_in);
        ensure!(outcome.stored == stored && outcome.acknowledged() == is_logged_in, "{outcome:?}");
        ensure!(is_logged_in || outcome.replies.len() == step + 1, "{outcome:?}");
        ensure!(has_ended || outcome.status.code().is_none(), "{outcome:?}");
        let verdict = if is_logged_in { Verdict::Completed } else { Verdict::Refused };
        count(Kind::Terminated, verdict);
    }
    Ok(())
}

/// For a login: time enough for its program to begin, and to get as far as it is to.
const SECONDS: &str = "5\n";

/// A session whose login program hangs, up to what its client is told once the time is over.
fn log_in_in_vain(place: &Place<'_>, words: &[&str]) -> Result<Session> {
    let mut session = place.start_words(words)?;
    ensure!(session.hear()? && session.ask("EHLO client")?, "no session");
    session.ask(First::Authup.lines()[1])?;
    let reply = session.last_reply();
    ensure!(reply == "451 authup timeout (#4.4.2)\r\n", "{reply:?}");
    Ok(session)
}

/// What it started, and left with the pipe on which a good login is told, is not waited
/// for; what it does with signals does not count.
fn hangs_with_descendants(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    fs::write(place.chain.path("home/control/timeoutlogin"), SECONDS)?;
    let hangs = r#"trap '' TERM INT HUP; sh -c 'trap "" TERM; exec sleep 1000' & exec sleep 1000"#;
    let words = ["authup", "smtp", "sh", "-c", hangs];
    let session = log_in_in_vain(&place, &words)?;
    until_gone(session.pid());
    // The descendant is the login program's own; it is all that there is.
    let left: Vec<_> = of_group(session.pid()).into_iter().filter(|one| one.state != 'Z').collect();
    ensure!(left.len() == 1 && left[0].name == "sleep", "{left:?}");
    signal(left[0].pid, Signal::KILL);
    let outcome = session.over()?;
    ensure!(outcome.status.code() == Some(1), "{outcome:?}");
    ensure!(outcome.log.ends_with(" timed out\n"), "{outcome:?}");
    count(Kind::Stopped, Verdict::Refused);
    Ok(())
}

/// It waits for a file system that hangs: whoever logs in is told in time all the same.
fn hangs_unkillable(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    fs::write(place.chain.path("home/control/timeoutlogin"), SECONDS)?;
    let folder = tempfile::tempdir()?;
    let what = "a login program that cannot be killed";
    let Some(hanging) = Hanging::mount(what, folder.path(), b"") else { return Ok(()) };
    hanging.hang();
    let file = hanging.file();
    let file = file.to_str().context("no name")?;
    let session = log_in_in_vain(&place, &["authup", "smtp", "cat", file])?;
    ensure!(hanging.waiting() == 1, "it does not wait");
    until_gone(session.pid());
    hanging.answer();
    let outcome = session.over()?;
    ensure!(outcome.log.ends_with(" timed out\n"), "{outcome:?}");
    count(Kind::Stopped, Verdict::Refused);
    Ok(())
}

/// Where the system has no descriptor for the child there is no bound on its time.
fn hangs_unwatched(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    for error in ["EMFILE", "ENFILE", "ENOMEM"] {
        let trace = place.chain.name("client/unwatched.trace");
        let inject = format!("inject=pidfd_open:error={error}");
        let hangs = "trap '' TERM; exec sleep 1000";
        let strace = ["strace", "-o", &trace, "-e", "trace=pidfd_open", "-e", &inject];
        let authup = ["authup", "smtp", "sh", "-c", hangs];
        let mut session = place.start_words(&[&strace[..], &authup].concat())?;
        ensure!(session.hear()? && session.ask("EHLO client")?, "no session");
        session.ask(First::Authup.lines()[1])?;
        let told = "454 authup unable to wait for child (#4.3.0)\r\n";
        ensure!(session.last_reply() == told, "{:?}", session.last_reply());
        let outcome = session.over()?;
        ensure!(outcome.log.contains(" unable to wait for child: "), "{outcome:?}");
        ensure!(outcome.status.code() == Some(1), "{outcome:?}");
        ensure!(fs::read_to_string(&trace)?.contains("(INJECTED)"), "not injected");
        count(Kind::Failing, Verdict::Refused);
    }
    Ok(())
}
