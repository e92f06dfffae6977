//! One process of a session is killed, whichever: the others end by themselves, the
//! client sees the end of the connection, and nobody stays behind.

use acceptance::processes::{of_group, settles};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use test_support::process::signal_unless_gone;

use crate::session::Session;
use crate::{as_run, login, words};

pub(crate) const TESTS: &[Test] =
    &[("a_process_that_is_killed_takes_the_session_with_it", &["smtpfront-echo"], killed)];

/// How far a session has come, by what is said and how the last answer begins.
const STATES: [(&[&str], &[&str]); 3] = [
    (&["authup", "fixsmtpio"], &[]),
    (&["authup", "fixsmtpio"], &["EHLO client", "250"]),
    (&["authup"], &["AUTH LOGIN", "334"]),
];

fn killed(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let authup = login(&chain, "smtp", &["fixsmtpio", "smtpfront-echo"]);
    let fixsmtpio = ["fixsmtpio", "smtpfront-echo"].map(str::to_owned).to_vec();
    for command in [&authup, &fixsmtpio] {
        for (programs, says) in STATES {
            if !programs.contains(&command[0].as_str()) {
                continue;
            }
            // As many rounds as there are processes: each is killed in one of them.
            let mut which = 0;
            loop {
                let mut session = Session::start(&chain, &words(command))?;
                session.peer.hear("220 ")?;
                if let [line, answer] = says {
                    session.peer.ask(line, answer)?;
                }
                let mut processes = of_group(session.pid());
                processes.sort_by_key(|process| process.pid);
                let Some(victim) = processes.get(which) else {
                    session.over()?;
                    ensure!(which > 0, "no process");
                    break;
                };
                settles(victim.pid);
                // One that was about to end is not there in the next round.
                if signal_unless_gone(victim.pid, Signal::KILL) {
                    session.peer.rest().with_context(|| format!("without {victim:?}"))?;
                    which += 1;
                }
                session.over().with_context(|| format!("without {victim:?}"))?;
            }
        }
    }
    Ok(())
}
