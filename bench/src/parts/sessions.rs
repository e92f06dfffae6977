//! How many sessions there are each second, and how long one takes.

use std::io;

use super::{
    BARE, Bench, FIXSMTPIO, LOGIN, LOGIN_POP3, LOGIN_SUBMISSION, SUBMISSION, Started,
    TLSSERVER_AUTHUP, TLSSERVER_BARE, TLSWRAPPER, c, dovecot, nginx, ours, pop3, rotated, smtp,
};
use crate::client::load::{self, Sessions};
use crate::client::{Conversation, Security};
use crate::servers::{Chain, Contestant, Door};
use crate::service::Protocol;

pub(crate) const GREET: &str = "greeting, QUIT";
pub(crate) const AUTH: &str = "EHLO, AUTH, QUIT";
pub(crate) const MESSAGE: &str = "EHLO, message of 2 kB, QUIT";
pub(crate) const STARTTLS: &str = "EHLO, STARTTLS, EHLO, QUIT";
pub(crate) const TLS_AUTH: &str = "STARTTLS, AUTH, QUIT";
pub(crate) const TLS_AUTH_MESSAGE: &str = "STARTTLS, AUTH, message of 2 kB, QUIT";
pub(crate) const TLS_MESSAGE: &str = "STARTTLS, message of 2 kB, QUIT";
pub(crate) const POP3: &str = "USER, PASS, STAT, QUIT";
pub(crate) const TLS_POP3: &str = "STLS, USER, PASS, STAT, QUIT";

/// Columns.
pub(crate) const RATE: &str = "sessions/s, 64 clients";
const MEDIAN: &str = "median ms, 4 clients";
pub(crate) const ONE: &str = "median ms, one client";
pub(crate) const TIME: &str = "servers' CPU ms for one";
const FAILED: &str = "failed";

pub(crate) const AUTHUP_YES: &str = "authup, a checkpassword that says yes";
const CHAIN: &str = "submission chain";
const MANY: usize = 64;
const FEW_CLIENTS: usize = 4;

/// A conversation, and who is to have it.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) conversation: Conversation,
    pub(super) contestants: Vec<Contestant>,
}

/// All tables.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    for table in tables() {
        measure(bench, &table)?;
    }
    Ok(())
}

fn tables() -> Vec<Table> {
    let table = |name, conversation, contestants| Table { name, conversation, contestants };
    use Security::{None, Start};
    vec![
        table(GREET, smtp(None, false, 0), greeting()),
        table(AUTH, smtp(None, true, 0), logging_in()),
        table(MESSAGE, smtp(None, false, 2000), sending()),
        table(STARTTLS, smtp(Start, false, 0), starting_tls()),
        table(TLS_AUTH, smtp(Start, true, 0), submitting()),
        table(TLS_AUTH_MESSAGE, smtp(Start, true, 2000), submitting()),
        table(TLS_MESSAGE, smtp(Start, false, 2000), sending_by_tls()),
        table(POP3, pop3(None), fetching()),
        table(TLS_POP3, pop3(Start), fetching_by_tls()),
    ]
}

fn greeting() -> Vec<Contestant> {
    vec![
        ours(BARE, Door::Tcpserver, Chain::Smtp),
        ours(TLSSERVER_BARE, Door::Tlsserver, Chain::Smtp),
        ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio),
        c("C fixsmtpio, bare server", Chain::Fixsmtpio),
        ours("smtpfront-echo", Door::Tcpserver, Chain::Mailfront),
        ours("fixsmtpio, smtpfront-echo", Door::Tcpserver, Chain::FixsmtpioMailfront),
        nginx(Protocol::Smtp, false, false),
        dovecot(Protocol::Smtp),
    ]
}

fn logging_in() -> Vec<Contestant> {
    vec![
        ours(BARE, Door::Tcpserver, Chain::Smtp),
        ours(AUTHUP_YES, Door::Tcpserver, Chain::AuthupYes),
        c("C authup, a checkpassword that says yes", Chain::AuthupYes),
        ours(CHAIN, Door::Tcpserver, Chain::Submission),
        c("C submission chain", Chain::Submission),
        nginx(Protocol::Smtp, false, true),
        dovecot(Protocol::Smtp),
    ]
}

fn sending() -> Vec<Contestant> {
    vec![
        ours(BARE, Door::Tcpserver, Chain::Smtp),
        ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio),
        c("C fixsmtpio, bare server", Chain::Fixsmtpio),
        nginx(Protocol::Smtp, false, false),
    ]
}

fn starting_tls() -> Vec<Contestant> {
    vec![
        ours(LOGIN, Door::TlsserverLogin, Chain::AuthupYes),
        ours(TLSSERVER_AUTHUP, Door::TlsserverDelayed, Chain::AuthupYes),
        ours("tlsserver, fixsmtpio", Door::TlsserverDelayed, Chain::Fixsmtpio),
        nginx(Protocol::Smtp, true, false),
        ours(TLSWRAPPER, Door::Tlswrapper, Chain::Smtp),
        dovecot(Protocol::Smtp),
    ]
}

fn submitting() -> Vec<Contestant> {
    vec![
        ours(LOGIN_SUBMISSION, Door::TlsserverLogin, Chain::Submission),
        ours(SUBMISSION, Door::TlsserverDelayed, Chain::Submission),
        nginx(Protocol::Smtp, true, true),
        dovecot(Protocol::Smtp),
    ]
}

fn sending_by_tls() -> Vec<Contestant> {
    vec![
        ours("tlsserver, fixsmtpio", Door::TlsserverDelayed, Chain::Fixsmtpio),
        nginx(Protocol::Smtp, true, false),
        ours(TLSWRAPPER, Door::Tlswrapper, Chain::Smtp),
    ]
}

fn fetching() -> Vec<Contestant> {
    vec![
        ours(BARE, Door::Tcpserver, Chain::Pop3),
        ours(AUTHUP_YES, Door::Tcpserver, Chain::AuthupYesPop3),
        c("C authup, a checkpassword that says yes", Chain::AuthupYesPop3),
        ours("POP3 chain", Door::Tcpserver, Chain::AuthupPop3),
        nginx(Protocol::Pop3, false, true),
        dovecot(Protocol::Pop3),
    ]
}

fn fetching_by_tls() -> Vec<Contestant> {
    vec![
        ours(LOGIN_POP3, Door::TlsserverLogin, Chain::AuthupPop3),
        ours("tlsserver, POP3 chain", Door::TlsserverDelayed, Chain::AuthupPop3),
        nginx(Protocol::Pop3, true, true),
        dovecot(Protocol::Pop3),
    ]
}

/// What one contestant came to.
#[derive(Default)]
struct Sums {
    rates: Vec<f64>,
    medians: Vec<f64>,
    alone: Vec<f64>,
    failed: usize,
    /// With those that warmed it up, and those that failed.
    count: usize,
}

impl Sums {
    fn add(&mut self, many: &Sessions, few: &Sessions, one: &Sessions) {
        self.rates.push(many.each_second());
        self.medians.push(few.median());
        self.alone.push(one.median());
        for sessions in [many, few, one] {
            self.failed += sessions.failed;
            self.count += sessions.count();
        }
    }
}

pub(super) fn measure(bench: &mut Bench, table: &Table) -> io::Result<()> {
    let effort = bench.effort;
    println!("{}", table.name);
    let started = bench.start(table.name, &table.contestants);
    let load = |it: &Started, clients, time| {
        load::sessions(it.running.port(), table.conversation, &bench.config, clients, time)
    };
    let mut sums: Vec<Sums> = started.iter().map(|_| Sums::default()).collect();
    for (contestant, sum) in started.iter().zip(&mut sums) {
        sum.count += load(contestant, MANY, effort.few).count();
    }
    for round in 0..effort.rounds {
        for index in rotated(started.len(), round) {
            if let (Some(contestant), Some(sum)) = (started.get(index), sums.get_mut(index)) {
                let many = load(contestant, MANY, effort.many);
                let few = load(contestant, FEW_CLIENTS, effort.few);
                sum.add(&many, &few, &load(contestant, 1, effort.few));
            }
        }
    }
    for (contestant, sum) in started.into_iter().zip(sums) {
        let name = contestant.name;
        let time = contestant.end()? / sum.count as f64;
        let mut add = |column, rounds| bench.results.add(table.name, name, column, rounds);
        add(RATE, sum.rates);
        add(MEDIAN, sum.medians);
        add(ONE, sum.alone);
        add(TIME, vec![time]);
        add(FAILED, vec![sum.failed as f64]);
    }
    Ok(())
}
