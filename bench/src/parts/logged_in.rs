//! Thousands of sessions that are logged in and idle: what memory of ours they take, and how
//! fast others log in beside them.

use std::io;

use super::{Bench, LOGIN_POP3, LOGIN_SUBMISSION, ours, pop3, smtp};
use crate::client::load::{hold, sessions};
use crate::client::{Conversation, Security};
use crate::processes::{STAND_IN, memory};
use crate::servers::{Chain, Contestant, Door};

pub(crate) const TABLE: &str = "sessions logged in and idle, others beside them";

/// Rows: a protocol, and how many are held.
pub(crate) const TEN_HELD: &str = "10 held";
pub(crate) const TEN_THOUSAND_HELD: &str = "10,000 held";
const HELD: [(&str, usize); 2] = [(TEN_HELD, 10), (TEN_THOUSAND_HELD, 10_000)];

/// Columns.
pub(crate) const RATE: &str = "logins/s, 16 clients";
pub(crate) const OURS: &str = "MB of ours (PSS)";
const STAND_INS: &str = "MB of the mail programs";

/// Clients that log in beside those held.
const BESIDE: usize = 16;

/// Both protocols.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    println!("{TABLE}");
    let submission = ours(LOGIN_SUBMISSION, Door::TlsserverLogin, Chain::Submission);
    let fetching = ours(LOGIN_POP3, Door::TlsserverLogin, Chain::AuthupPop3);
    for (protocol, contestant, conversation) in [
        ("SMTP", submission, smtp(Security::Start, true, 0)),
        ("POP3", fetching, pop3(Security::Start)),
    ] {
        if let Err(reason) = of_one(bench, protocol, contestant, conversation) {
            bench.results.miss(TABLE, protocol, &reason.to_string());
        }
    }
    Ok(())
}

fn of_one(
    bench: &mut Bench,
    protocol: &str,
    contestant: Contestant,
    conversation: Conversation,
) -> io::Result<()> {
    let running = contestant.start(&bench.workshop)?;
    let mut held = Vec::new();
    for (row, count) in HELD {
        let count = (count / bench.effort.divisor).max(1);
        let missing = count.saturating_sub(held.len());
        held.extend(hold(running.port(), conversation, &bench.config, missing)?);
        let programs = memory(&running.pids())?;
        let total: f64 = programs.values().sum();
        let theirs = programs.get(STAND_IN).copied().unwrap_or_default();
        let row = format!("{protocol}, {row}");
        let mut rates = Vec::new();
        for _ in 0..bench.effort.rounds {
            let done =
                sessions(running.port(), conversation, &bench.config, BESIDE, bench.effort.many);
            if done.failed > 0 {
                return Err(io::Error::other(format!("{row}: {} sessions failed", done.failed)));
            }
            rates.push(done.each_second());
        }
        bench.results.add(TABLE, &row, RATE, rates);
        bench.results.add(TABLE, &row, OURS, vec![(total - theirs) / 1e3]);
        bench.results.add(TABLE, &row, STAND_INS, vec![theirs / 1e3]);
    }
    Ok(())
}
