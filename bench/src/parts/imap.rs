//! IMAP: sessions, what one costs that is logged in and idle, and how fast a message comes
//! through. Behind each is the same stand-in, but where Dovecot is whole.

use std::io;

use super::sessions::{Table, measure as measure_sessions};
use super::throughput::measure as measure_throughput;
use super::{Bench, DOVECOT_PROXY, LOGIN_FIXIMAPIO, LOGIN_IMAP, dovecot, idle, imap, nginx, ours};
use crate::processes::STAND_IN;
use crate::servers::{Chain, Contestant, Door, Setup};
use crate::service::Protocol;

pub(crate) const SESSIONS: &str = "IMAP: STARTTLS, LOGIN, LOGOUT";
pub(crate) const FETCH: &str = "IMAP: FETCH of 200 MB, TLS";
pub(crate) const IDLE: &str = "IMAP: an idle connection that is logged in, kB of memory (PSS)";

/// Columns of the last.
const ALL: &str = "all";
pub(crate) const OURS: &str = "without the mail program";

const OCTETS: usize = 200_000_000;

const LOGIN: Contestant = ours(LOGIN_IMAP, Door::TlsserverLogin, Chain::AuthupImap);
const RELAYED: Contestant = ours(LOGIN_FIXIMAPIO, Door::TlsserverLogin, Chain::AuthupFiximapio);
const PROXY: Contestant = Contestant(DOVECOT_PROXY, Setup::DovecotProxy);

/// All tables.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    let contestants = vec![
        LOGIN,
        RELAYED,
        ours("tlsserver, IMAP chain", Door::TlsserverDelayed, Chain::AuthupImap),
        nginx(Protocol::Imap, true, true),
        PROXY,
        dovecot(Protocol::Imap),
    ];
    measure_sessions(bench, &Table { name: SESSIONS, conversation: imap(0), contestants })?;
    let fetched = imap(OCTETS / bench.effort.divisor);
    let rows = [LOGIN, RELAYED, nginx(Protocol::Imap, true, true), PROXY].map(|it| (it, fetched));
    measure_throughput(bench, FETCH, &rows, 1)?;
    println!("{IDLE}");
    for contestant in [LOGIN, RELAYED, nginx(Protocol::Imap, true, true), PROXY] {
        let Contestant(name, _) = contestant;
        match idle::of_each(bench, contestant, imap(0)) {
            Ok(programs) => {
                let own = programs.iter().filter(|(program, _)| *program != STAND_IN);
                let own = own.map(|(_, size)| size).sum();
                bench.results.add(IDLE, name, ALL, vec![programs.values().sum()]);
                bench.results.add(IDLE, name, OURS, vec![own]);
            }
            Err(reason) => bench.results.miss(IDLE, name, &reason.to_string()),
        }
    }
    Ok(())
}
