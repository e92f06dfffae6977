//! How fast the octets of one big message go through.

use std::io;
use std::thread;
use std::time::Instant;

use super::{
    BARE, Bench, FIXSMTPIO, SUBMISSION, Started, TLSSERVER_BARE, TLSWRAPPER, c, nginx, ours,
    rotated, smtp,
};
use crate::client::{Conversation, Security};
use crate::servers::{Chain, Contestant, Door};
use crate::service::Protocol;

const PLAIN: &str = "message of 200 MB";
const TLS: &str = "message of 200 MB, TLS";
pub(crate) const TWO: &str = "two messages of 200 MB at once";
pub(crate) const TLS_TWO: &str = "two messages of 200 MB at once, TLS";

/// Columns.
pub(crate) const RATE: &str = "MB/s";
const TIME: &str = "servers' CPU ms for a GB";

const OCTETS: usize = 200_000_000;
/// Of a smaller message before the first round.
const WARM_UP: usize = 10;

type Row = (Contestant, Conversation);

/// All tables.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    let octets = OCTETS / bench.effort.divisor;
    let plain = smtp(Security::None, false, octets);
    let rows = [
        (ours(BARE, Door::Tcpserver, Chain::Smtp), plain),
        (ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio), plain),
        (c("C fixsmtpio, bare server", Chain::Fixsmtpio), plain),
        (nginx(Protocol::Smtp, false, false), plain),
    ];
    measure(bench, PLAIN, &rows, 1)?;
    measure(bench, TWO, &rows, 2)?;
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
    measure(bench, TLS, &rows, 1)?;
    measure(bench, TLS_TWO, &rows, 2)
}

/// A contestant that runs, and what it came to.
struct Measured {
    started: Started,
    conversation: Conversation,
    rates: Vec<f64>,
    /// Octets in all.
    sent: usize,
}

pub(super) fn measure(
    bench: &mut Bench,
    table: &'static str,
    rows: &[Row],
    streams: usize,
) -> io::Result<()> {
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
            let conversation = Conversation { message: size, ..one.conversation };
            match rate(bench, &one.started, conversation, streams) {
                Ok(rate) => {
                    one.sent += size * streams;
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

/// Of so many messages at once, from when the first begins to when the last has ended,
/// without what comes before; MB/s.
fn rate(
    bench: &Bench,
    contestant: &Started,
    conversation: Conversation,
    streams: usize,
) -> io::Result<f64> {
    let open = || conversation.open(contestant.running.port(), &bench.config);
    let mut opened = (0..streams).map(|_| open()).collect::<io::Result<Vec<_>>>()?;
    let begin = Instant::now();
    thread::scope(|scope| {
        let send = |open| scope.spawn(move || conversation.transact(open));
        let all: Vec<_> = opened.iter_mut().map(send).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| io::Error::other("sender"))?)
    })?;
    let rate = (conversation.message * streams) as f64 / begin.elapsed().as_secs_f64() / 1e6;
    opened.iter_mut().try_for_each(|open| conversation.quit(open))?;
    Ok(rate)
}
