//! How cost grows with connections, octets, commands and rules: each should be flat or
//! linear.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};
use test_support::client::connect;

use super::{BARE, Bench, FIXSMTPIO, LOGIN, Started, TLSSERVER_AUTHUP, nginx, ours, smtp};
use crate::client::load::{hold, sessions};
use crate::client::{Conversation, Security};
use crate::processes::memory;
use crate::servers::{Chain, Contestant, Door, RULES};
use crate::service::Protocol;

const HELD_RATE: &str = "sessions/s beside idle connections, connections held";
const HELD_MEMORY: &str = "memory in MB (PSS), connections held";
const CLIENTS: &str = "sessions/s, clients at once";
const OCTETS: &str = "ms for one message, octets of it";
pub(crate) const COMMANDS: &str = "ms for pipelined commands, commands";
const RULES_SESSION: &str = "ms with fixsmtpio's rules, rules";

pub(crate) const AUTHUP: &str = "authup, before login";

const HELD: [usize; 8] = [1, 4, 16, 64, 250, 1000, 2500, 5000];
const AT_ONCE: [usize; 7] = [1, 4, 16, 64, 256, 1000, 5000];
/// Clients that measure the rate beside what is held.
const FEW_CLIENTS: usize = 16;
/// How long one point takes at least, where it is quick.
const POINT: Duration = Duration::from_millis(300);

/// All panels.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    let secure = [
        ours(LOGIN, Door::TlsserverLogin, Chain::AuthupYes),
        ours(TLSSERVER_AUTHUP, Door::TlsserverDelayed, Chain::AuthupYes),
        nginx(Protocol::Smtp, true, false),
    ];
    connections_held(bench, &secure)?;
    clients_at_once(bench, &secure);
    octets(bench);
    commands(bench);
    rules(bench)
}

/// Measures every point of one contestant's curve; stops where it fails.
fn curve(
    bench: &mut Bench,
    panel: &str,
    started: &Started,
    counts: &[usize],
    measure: impl Fn(&Bench, u16, usize) -> io::Result<f64>,
) {
    let largest = counts.last().copied().unwrap_or(1) / bench.effort.divisor;
    let mut points = Vec::new();
    for count in counts.iter().copied().filter(|count| *count <= largest) {
        match measure(bench, started.running.port(), count) {
            Ok(value) => points.push((count as f64, value)),
            Err(reason) => {
                bench.results.miss(panel, started.name, &format!("{count}: {reason}"));
                break;
            }
        }
    }
    bench.results.add_curve(panel, started.name, points);
}

/// The rate of a few clients, and the memory, with more and more connections open.
fn connections_held(bench: &mut Bench, contestants: &[Contestant]) -> io::Result<()> {
    let conversation = smtp(Security::Start, false, 0);
    println!("{HELD_RATE}; {HELD_MEMORY}");
    for started in bench.start(HELD_RATE, contestants) {
        let port = started.running.port();
        let (mut held, mut rates, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for count in HELD.into_iter().filter(|count| *count <= 5000 / bench.effort.divisor) {
            match hold(port, conversation, &bench.config, count - held.len()) {
                Ok(more) => held.extend(more),
                Err(reason) => {
                    bench.results.miss(HELD_RATE, started.name, &format!("{count}: {reason}"));
                    break;
                }
            }
            let kilobytes: f64 = memory(&started.running.pids())?.values().sum();
            sizes.push((count as f64, kilobytes / 1e3));
            rates.push((count as f64, rate(bench, port, FEW_CLIENTS)?));
        }
        bench.results.add_curve(HELD_RATE, started.name, rates);
        bench.results.add_curve(HELD_MEMORY, started.name, sizes);
    }
    Ok(())
}

fn clients_at_once(bench: &mut Bench, contestants: &[Contestant]) {
    println!("{CLIENTS}");
    for started in bench.start(CLIENTS, contestants) {
        curve(bench, CLIENTS, &started, &AT_ONCE, rate);
    }
}

/// The best of a few: what else the machine does only takes away.
fn rate(bench: &Bench, port: u16, clients: usize) -> io::Result<f64> {
    let conversation = smtp(Security::Start, false, 0);
    let mut rates = Vec::new();
    for _ in 0..bench.effort.rounds.min(3) {
        let done = sessions(port, conversation, &bench.config, clients, bench.effort.few);
        if done.failed > 0 {
            return Err(io::Error::other(format!("{} sessions failed", done.failed)));
        }
        rates.push(done.each_second());
    }
    Ok(rates.into_iter().fold(0.0, f64::max))
}

fn octets(bench: &mut Bench) {
    let by_tls = ours("tlsserver, fixsmtpio", Door::TlsserverDelayed, Chain::Fixsmtpio);
    let contestants = [
        (ours(BARE, Door::Tcpserver, Chain::Smtp), Security::None),
        (ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio), Security::None),
        (by_tls, Security::Start),
    ];
    let sizes: Vec<usize> = (3..=9).map(|power| 10_usize.pow(power)).collect();
    println!("{OCTETS}");
    for (contestant, security) in contestants {
        for started in bench.start(OCTETS, &[contestant]) {
            curve(bench, OCTETS, &started, &sizes, |bench, port, octets| {
                let conversation = smtp(security, false, octets);
                repeated(bench, || message(bench, port, conversation))
            });
        }
    }
}

fn message(bench: &Bench, port: u16, conversation: Conversation) -> io::Result<Duration> {
    let mut open = conversation.open(port, &bench.config)?;
    let begin = Instant::now();
    conversation.transact(&mut open)?;
    let time = begin.elapsed();
    conversation.command(&mut open, "QUIT")?;
    Ok(time)
}

fn commands(bench: &mut Bench) {
    let contestants = [
        ours(BARE, Door::Tcpserver, Chain::Smtp),
        ours(FIXSMTPIO, Door::Tcpserver, Chain::Fixsmtpio),
        ours(AUTHUP, Door::Tcpserver, Chain::AuthupYes),
    ];
    let counts: Vec<usize> = (0..=6).map(|power| 10_usize.pow(power)).collect();
    println!("{COMMANDS}");
    for started in bench.start(COMMANDS, &contestants) {
        curve(bench, COMMANDS, &started, &counts, |bench, port, count| {
            repeated(bench, || pipelined(port, count))
        });
    }
}

/// One session, and a thousand commands in one, with more and more rules that hold but
/// whose patterns match nothing.
fn rules(bench: &mut Bench) -> io::Result<()> {
    println!("{RULES_SESSION}");
    let contestants = [ours("", Door::Tcpserver, Chain::Fixsmtpio)];
    let session = smtp(Security::None, false, 0);
    let counts = [0, 1, 10, 100, 1000];
    let Some(mut started) = bench.start(RULES_SESSION, &contestants).pop() else { return Ok(()) };
    let with_rules = |bench: &Bench, count: usize| {
        let rules = ":noop::5*::&fixsmtpio_noop\n".repeat(count);
        bench.workshop.write("control/fixsmtpio", rules);
    };
    started.name = "greeting, QUIT";
    curve(bench, RULES_SESSION, &started, &counts, |bench, port, count| {
        with_rules(bench, count);
        repeated(bench, || timed(port, session, bench))
    });
    started.name = "1,000 commands, pipelined";
    curve(bench, RULES_SESSION, &started, &counts, |bench, port, count| {
        with_rules(bench, count);
        repeated(bench, || pipelined(port, 1000))
    });
    bench.workshop.write("control/fixsmtpio", RULES);
    Ok(())
}

fn timed(port: u16, conversation: Conversation, bench: &Bench) -> io::Result<Duration> {
    let begin = Instant::now();
    conversation.run(port, &bench.config)?;
    Ok(begin.elapsed())
}

/// The shortest in milliseconds, of three or more: what else the machine does only adds.
fn repeated(bench: &Bench, measure: impl Fn() -> io::Result<Duration>) -> io::Result<f64> {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || begin.elapsed() < POINT / bench.effort.divisor as u32 {
        times.push(measure()?.as_secs_f64() * 1e3);
    }
    Ok(times.into_iter().fold(f64::INFINITY, f64::min))
}

/// So many commands at once, until the last answer is there.
fn pipelined(port: u16, count: usize) -> io::Result<Duration> {
    let mut socket = connect(port)?;
    lines(&mut socket, 1)?;
    let begin = Instant::now();
    let mut sending = socket.try_clone()?;
    let sender = thread::spawn(move || sending.write_all(&b"NOOP\r\n".repeat(count)));
    lines(&mut socket, count)?;
    let time = begin.elapsed();
    sender.join().map_err(|_| io::Error::other("sender"))??;
    socket.write_all(b"QUIT\r\n")?;
    lines(&mut socket, 1)?;
    Ok(time)
}

/// Reads so many.
fn lines(socket: &mut impl Read, count: usize) -> io::Result<()> {
    let mut piece = vec![0; 65536];
    let mut left = count;
    while left > 0 {
        let octets = socket.read(&mut piece)?;
        if octets == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let ends = piece.iter().take(octets).filter(|octet| **octet == b'\n').count();
        left = left.saturating_sub(ends);
    }
    Ok(())
}
