//! How fast the octets of one big message go through.

use std::io;
use std::time::Instant;

use super::{
    BARE, Bench, FIXSMTPIO, SUBMISSION, Started, TLSSERVER_BARE, TLSWRAPPER, c, nginx, ours,
    rotated, smtp,
};
use crate::client::{Conversation, Protocol, Security};
use crate::servers::{Chain, Contestant, Door};

pub(crate) const PLAIN: &str = "message of 200 MB";
pub(crate) const TLS: &str = "message of 200 MB, TLS";

/// Columns.
pub(crate) const RATE: &str = "MB/s";
const TIME: &str = "servers' CPU ms for a GB";

const OCTETS: usize = 200_000_000;
/// Of a smaller message before the first round.
const WARM_UP: usize = 10;

type Row = (Contestant, Conversation);

/// Both tables.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    let octets = OCTETS / bench.effort.divisor;
    let plain = smtp(Security::None, false, octets);
    let rows = [
        (ours(BARE, Door::Tcpserver, Chain::Smtp), plain),
        (ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio), plain),
        (c("C fixsmtpio, bare server", Chain::Fixsmtpio), plain),
        (nginx(Protocol::Smtp, false, false), plain),
    ];
    measure(bench, PLAIN, &rows)?;
    let start = smtp(Security::Start, false, octets);
    let immediate = smtp(Security::Immediate, false, octets);
    let rows = [
        (ours(TLSSERVER_BARE, Door::TlsserverImmediate, Chain::Smtp), immediate),
        (ours("tlsserver, fixsmtpio", Door::TlsserverDelayed, Chain::Fixsmtpio), start),
        (
            ours(SUBMISSION, Door::TlsserverDelayed, Chain::Submission),
            smtp(Security::Start, true, octets),
        ),
        (nginx(Protocol::Smtp, true, false), start),
        (ours(TLSWRAPPER, Door::Tlswrapper, Chain::Smtp), start),
    ];
    measure(bench, TLS, &rows)
}

/// A contestant that runs, and what it came to.
struct Measured {
    started: Started,
    conversation: Conversation,
    rates: Vec<f64>,
    /// Octets in all.
    sent: usize,
}

fn measure(bench: &mut Bench, table: &'static str, rows: &[Row]) -> io::Result<()> {
    let mut all = Vec::new();
    println!("{table}");
    for (contestant, conversation) in rows {
        let started = bench.start(table, std::slice::from_ref(contestant)).pop();
        all.extend(started.map(|started| {
            let (conversation, rates) = (*conversation, Vec::new());
            Measured { started, conversation, rates, sent: 0 }
        }));
    }
    for round in 0..=bench.effort.rounds {
        for index in rotated(all.len(), round) {
            let Some(one) = all.get_mut(index) else { continue };
            // The first round only warms up.
            let size = one.conversation.message / if round == 0 { WARM_UP } else { 1 };
            match rate(bench, &one.started, Conversation { message: size, ..one.conversation }) {
                Ok(rate) => {
                    one.sent += size;
                    one.rates.extend((round > 0).then_some(rate));
                }
                Err(reason) => {
                    let reason = format!("round {round}: {reason}");
                    bench.results.miss(table, one.started.name, &reason);
                }
            }
        }
    }
    for one in all.into_iter().filter(|one| one.sent > 0) {
        let name = one.started.name;
        let time = one.started.end()? / one.sent as f64 * 1e9;
        bench.results.add(table, name, RATE, one.rates);
        bench.results.add(table, name, TIME, vec![time]);
    }
    Ok(())
}

/// Of one message, without what comes before it; MB/s.
fn rate(bench: &Bench, contestant: &Started, conversation: Conversation) -> io::Result<f64> {
    let mut open = conversation.open(contestant.running.port(), &bench.config)?;
    let begin = Instant::now();
    conversation.transact(&mut open)?;
    let rate = conversation.message as f64 / begin.elapsed().as_secs_f64() / 1e6;
    conversation.command(&mut open, "QUIT")?;
    Ok(rate)
}
