//! Replies that the system does not take: what it has too little memory for is tried again, and
//! anything else is an error that the log has. Nobody is left without a reply, nor a session
//! ended without a reason.

use std::fs;

use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};

use crate::figures::{Kind, count};
use crate::session::{Outcome, Place};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("replies_that_there_is_no_memory_for_are_tried_again", &["strace"], short),
    ("replies_that_fail_otherwise_are_in_the_log", &["strace"], failing),
];

/// Whose replies, and how it is run before a server.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("fixsmtpio", &["fixsmtpio", "sh", "-c", "echo '220 local\r'; exec cat"]),
    (
        "fiximapio",
        &["env", "IMAPLOGINTAG=a1", "fiximapio", "sh", "-c", "echo '* PREAUTH local\r'; exec cat"],
    ),
];

/// What the client says, and hears from a server that says the same.
const LINE: &str = "250 there";

/// A session of which so many sends fail like this.
fn session(programs: &Programs, words: &[&str], (error, when): (&str, &str)) -> Result<Outcome> {
    let place = Place::new(programs)?;
    let trace = place.chain.name("client/replies.trace");
    let inject = format!("inject=sendto:error={error}:when={when}:syscall=getpid");
    let strace = ["strace", "-o", &trace, "-e", "trace=sendto", "-e", &inject];
    let mut session = place.start_words(&[&strace[..], words].concat())?;
    // IMAP's answer to the login is none that SMTP would call good.
    session.hear()?;
    session.ask(LINE)?;
    let outcome = session.over()?;
    ensure!(fs::read_to_string(&trace)?.contains("(INJECTED)"), "not injected: {outcome:?}");
    Ok(outcome)
}

fn short(programs: &Programs) -> Result<()> {
    for (name, words) in PROGRAMS {
        for error in ["ENOMEM", "ENOBUFS"] {
            for when in ["1", "2", "1..3"] {
                let outcome = session(programs, words, (error, when)).context(name)?;
                let heard = outcome.replies.last().map(|reply| reply.trim_end());
                ensure!(heard == Some(LINE), "{name}: {outcome:?}");
                ensure!(outcome.status.code() == Some(0), "{name}: {outcome:?}");
                count(Kind::Failing, Verdict::Completed);
            }
        }
    }
    Ok(())
}

fn failing(programs: &Programs) -> Result<()> {
    for (name, words) in PROGRAMS {
        for when in ["1", "2"] {
            let outcome = session(programs, words, ("EIO", when)).context(name)?;
            let why = format!("{name}: unable to relay: ");
            ensure!(outcome.log.contains(&why), "{outcome:?}");
            ensure!(outcome.status.code() == Some(14), "{name}: {outcome:?}");
            count(Kind::Failing, Verdict::Refused);
        }
    }
    // Who is gone is no error.
    for (name, words) in PROGRAMS {
        let outcome = session(programs, words, ("EPIPE", "2")).context(name)?;
        ensure!(!outcome.log.contains("unable"), "{name}: {outcome:?}");
        count(Kind::Failing, Verdict::Refused);
    }
    Ok(())
}
