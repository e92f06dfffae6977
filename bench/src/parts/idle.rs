//! What memory a connection takes that only waits.

use std::collections::BTreeMap;
use std::io;

use super::{
    Bench, LOGIN_POP3, LOGIN_SUBMISSION, SUBMISSION, TLSWRAPPER, dovecot, nginx, ours, pop3, smtp,
};
use crate::client::load::hold;
use crate::client::{Conversation, Security};
use crate::processes::{STAND_IN, memory};
use crate::servers::{Chain, Contestant, Door};
use crate::service::Protocol;

pub(crate) const ALL: &str = "an idle connection, kB of memory (PSS)";
pub(crate) const OURS: &str = "of that, ours";
const PROGRAMS: &str = "of that, the submission chain's programs";

/// Columns: how far the connection has come.
pub(crate) const SECURE: &str = "TLS is on";
pub(crate) const LOGGED_IN: &str = "logged in";
const STAGES: [(&str, Conversation); 3] = [
    ("greeted", smtp(Security::None, false, 0)),
    (SECURE, smtp(Security::Start, false, 0)),
    (LOGGED_IN, smtp(Security::Start, true, 0)),
];

const HELD: usize = 1000;

/// Each contestant at each stage.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    println!("{ALL}");
    let contestants = [
        ours(LOGIN_SUBMISSION, Door::TlsserverLogin, Chain::Submission),
        ours(SUBMISSION, Door::TlsserverDelayed, Chain::Submission),
        nginx(Protocol::Smtp, true, true),
        dovecot(Protocol::Smtp),
        ours(TLSWRAPPER, Door::Tlswrapper, Chain::Smtp),
    ];
    let by_pop3 = ours(LOGIN_POP3, Door::TlsserverLogin, Chain::AuthupPop3);
    match of_each(bench, by_pop3, pop3(Security::Start)) {
        Ok(programs) => record(bench, by_pop3.0, LOGGED_IN, &programs),
        Err(reason) => bench.results.miss(ALL, by_pop3.0, &reason.to_string()),
    }
    for (stage, conversation) in STAGES {
        for contestant in contestants {
            if stage == LOGGED_IN && contestant.0 == TLSWRAPPER {
                continue;
            }
            match of_each(bench, contestant, conversation) {
                Ok(programs) => record(bench, contestant.0, stage, &programs),
                Err(reason) => bench.results.miss(ALL, contestant.0, &format!("{stage}: {reason}")),
            }
        }
    }
    Ok(())
}

fn record(bench: &mut Bench, contestant: &str, stage: &str, programs: &BTreeMap<String, f64>) {
    bench.results.add(ALL, contestant, stage, vec![programs.values().sum()]);
    if matches!(contestant, LOGIN_SUBMISSION | LOGIN_POP3 | SUBMISSION) {
        let ours = programs.iter().filter(|(program, _)| *program != STAND_IN);
        bench.results.add(OURS, contestant, stage, vec![ours.map(|(_, size)| size).sum()]);
    }
    if contestant == SUBMISSION {
        for (program, size) in programs {
            bench.results.add(PROGRAMS, program, stage, vec![*size]);
        }
    }
}

/// Holds as many, and divides what all processes hold together; kB, by program.
pub(super) fn of_each(
    bench: &Bench,
    contestant: Contestant,
    conversation: Conversation,
) -> io::Result<BTreeMap<String, f64>> {
    let count = HELD / bench.effort.divisor;
    let running = contestant.start(&bench.workshop)?;
    let held = hold(running.port(), conversation, &bench.config, count)?;
    let mut programs = memory(&running.pids())?;
    drop(held);
    programs.values_mut().for_each(|size| *size /= count as f64);
    Ok(programs)
}
