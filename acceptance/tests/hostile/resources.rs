//! What a client can make us spend: memory, which is bounded by a constant whatever comes
//! in, and processor time, of which a client that stalls costs none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use acceptance::chain::Chain;
use acceptance::processes::{Process, of_group, peak, settles};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustls::ClientConfig;

use crate::figures::{FIGURES, Kind};
use crate::peer::{Peer, client, connect, trust};
use crate::session::{Service, Session};
use crate::{as_an_ordinary_user, as_run, login, words};

pub(crate) const TESTS: &[Test] = &[
    ("memory_is_bounded_whatever_comes_in", &["smtpfront-echo"], memory),
    ("memory_is_bounded_within_tls", &["smtpfront-echo"], memory_within_tls),
    ("a_client_that_stalls_costs_no_time", &["smtpfront-echo"], stalled),
    ("a_handshake_that_stalls_costs_no_time", &["smtpfront-echo"], stalled_within_tls),
];

const LITTLE: usize = 1 << 20;
const MUCH: usize = 100 << 20;
/// The most that a hundred times the input may add, in KiB: noise of the allocator.
const MORE: u64 = 1024;
/// The most memory of each, in KiB: what `docs/under-attack.md` promises.
const BOUNDS: [(&str, u64); 3] =
    [("authup", 8 * 1024), ("fixsmtpio", 8 * 1024), ("tlsserver", 24 * 1024)];

/// The most memory that each of our processes had, by name.
fn peaks(group: u32) -> BTreeMap<String, u64> {
    let ours = |process: &Process| BOUNDS.iter().any(|(name, _)| process.name.starts_with(name));
    let mut all = BTreeMap::new();
    for process in of_group(group).into_iter().filter(ours) {
        let most = all.entry(process.name).or_default();
        *most = peak(process.pid).unwrap_or_default().max(*most);
    }
    all
}

/// Sends octets in large pieces.
fn flood<S: Read + Write>(peer: &mut Peer<S>, octet: u8, count: usize) -> Result<()> {
    let piece = vec![octet; 1 << 16];
    let mut left = count;
    while left > 0 {
        let now = left.min(piece.len());
        peer.stream.write_all(&piece[..now])?;
        left -= now;
    }
    peer.stream.flush()?;
    Ok(())
}

/// What the client floods, each to one program that is up to its greeting.
#[derive(Clone, Copy, Debug)]
enum Flood {
    Line,
    Response,
    Commands,
    Message,
    Nuls,
}

impl Flood {
    /// Sends so much of it, and waits until all was read.
    fn pour<S: Read + Write>(self, peer: &mut Peer<S>, count: usize) -> Result<()> {
        match self {
            Self::Line | Self::Nuls => {
                flood(peer, if matches!(self, Self::Line) { b'A' } else { 0 }, count)?;
                peer.ask("", "500").or_else(|_| peer.ask("NOOP", "250"))?;
            }
            Self::Response => {
                peer.ask("AUTH PLAIN", "334")?;
                flood(peer, b'A', count)?;
                peer.ask("", "500")?;
            }
            Self::Commands => {
                // So that neither side's buffers fill up: a hundred at a time.
                let hundred = format!("NOOP {}\r\n", "x".repeat(994)).repeat(100);
                for _ in 0..count.div_ceil(hundred.len()) {
                    peer.say(&hundred);
                    for _ in 0..100 {
                        peer.hear("250")?;
                    }
                }
            }
            Self::Message => {
                peer.ask("MAIL FROM:<eve@example.org>", "250")?;
                peer.ask("RCPT TO:<bob@example.org>", "250")?;
                peer.ask("DATA", "354")?;
                let lines = ["x".repeat(76), "\r\n".to_owned()].concat().repeat(1000);
                for _ in 0..count.div_ceil(lines.len()) {
                    peer.stream.write_all(lines.as_bytes())?;
                }
                peer.ask(".", "250")?;
            }
        }
        Ok(())
    }
}

/// Bounded, and no more after much than after little.
fn compare(what: &str, little: &BTreeMap<String, u64>, much: &BTreeMap<String, u64>) -> Result<()> {
    for (name, &most) in much {
        let least = little.get(name).copied().with_context(|| format!("{name} is new"))?;
        FIGURES.peak(name, least, most);
        let bound = BOUNDS.iter().find(|(begin, _)| name.starts_with(begin)).context("a bound")?.1;
        ensure!(most <= bound, "{what}: {name} had {most} KiB, more than {bound}");
        ensure!(most <= least + MORE, "{what}: {name} had {least} KiB, then {most}");
    }
    ensure!(!much.is_empty(), "{what}: none of our processes is there");
    Ok(())
}

fn memory(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let authup = login(&chain, "smtp", &["false"]);
    let fixsmtpio = ["fixsmtpio", "smtpfront-echo"].map(str::to_owned).to_vec();
    use Flood::{Commands, Line, Message, Nuls, Response};
    let floods: [(&[String], &[Flood]); 2] = [
        (&authup, &[Line, Nuls, Response, Commands]),
        (&fixsmtpio, &[Line, Nuls, Commands, Message]),
    ];
    for (command, floods) in floods {
        for flood in floods {
            let what = format!("{} {flood:?}", command[0]);
            let poured = |count| {
                let mut session = Session::start(&chain, &words(command))?;
                session.peer.hear("220 ")?;
                flood.pour(&mut session.peer, count).with_context(|| what.clone())?;
                let peaks = peaks(session.pid());
                session.over()?;
                anyhow::Ok(peaks)
            };
            compare(&what, &poured(LITTLE)?, &poured(MUCH)?)?;
        }
    }
    Ok(())
}

fn memory_within_tls(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let service = Service::new(chain.tls_server("", &["fixsmtpio", "smtpfront-echo"])?);
    let trust = trust(&chain)?;
    let poured = |count| {
        FIGURES.sessions(1);
        let mut peer = connect(&service.server)?;
        peer.hear("220 ")?;
        peer.ask("STARTTLS", "220")?;
        let mut peer = peer.secure(&trust)?;
        Flood::Message.pour(&mut peer, count)?;
        let peaks = peaks(service.server.pid());
        peer.ask("QUIT", "221")?;
        drop(peer);
        service.is_idle()?;
        anyhow::Ok(peaks)
    };
    compare("within TLS", &poured(LITTLE)?, &poured(MUCH)?)?;
    service.over()
}

/// How often each process has run, and for how long, once all of them sleep.
fn work(group: u32) -> BTreeMap<u32, (u64, u64)> {
    loop {
        let processes = of_group(group);
        processes.iter().for_each(|process| settles(process.pid));
        let done: BTreeMap<u32, (u64, u64)> = of_group(group)
            .into_iter()
            .filter_map(|process| Some((process.pid, (process.switches()?, process.ticks))))
            .collect();
        // One that slept may have been woken by one that had not: all quiet, or again.
        let quiet = of_group(group).iter().all(|process| {
            process.state == 'S'
                && done.get(&process.pid)
                    == process.switches().map(|count| (count, process.ticks)).as_ref()
        });
        if quiet {
            return done;
        }
    }
}

/// The client has stalled: while other sessions come and go, nobody here wakes.
fn costs_nothing(chain: &Chain<'_>, group: u32, what: &str) -> Result<()> {
    let before = work(group);
    for _ in 0..3 {
        let mut other = Session::start(chain, &["fixsmtpio", "smtpfront-echo"])?;
        other.peer.hear("220 ")?;
        other.peer.ask("QUIT", "221")?;
        other.over()?;
    }
    let after = work(group);
    let woken = before.iter().filter(|(pid, count)| after.get(pid) != Some(count)).count();
    FIGURES.add(Kind::Idle, before.len(), woken);
    ensure!(woken == 0, "{what}: switches and ticks were {before:?} and are {after:?}");
    ensure!(!before.is_empty(), "{what}: nobody is there");
    Ok(())
}

/// What the client says before it stalls.
fn stalled(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let smtp = login(&chain, "smtp", &["false"]);
    let pop3 = login(&chain, "pop3", &["false"]);
    let relay = ["fixsmtpio", "smtpfront-echo"].map(str::to_owned).to_vec();
    let data = "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nhalf a";
    let stalls: [(&[String], &[&str]); 3] = [
        (&smtp, &["", "NO", "EHLO x\r\n", "AUTH LOGIN\r\n", "AUTH PLAIN\r\nAA", "\0\0"]),
        (&pop3, &["", "US", "USER bob\r\n", "USER bob\r\nPA"]),
        (&relay, &["", "NO", "EHLO x\r\n", data, "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n\r\n."]),
    ];
    for (command, says) in stalls {
        for text in says {
            let mut session = Session::start(&chain, &words(command))?;
            session.peer.line()?;
            session.peer.say(text);
            costs_nothing(&chain, session.pid(), &format!("{} after {text:?}", command[0]))?;
            session.over()?;
        }
    }
    Ok(())
}

/// Connections within tlsserver that stop at each point.
fn stalled_within_tls(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let service = Service::new(chain.tls_server("", &["fixsmtpio", "smtpfront-echo"])?);
    let trust = trust(&chain)?;
    let mut hello = Vec::new();
    client(&trust)?.write_tls(&mut hello)?;
    let mut stalled: Vec<Peer<TcpStream>> = Vec::new();
    // Nothing, STARTTLS only, and pieces of the handshake.
    for piece in [None, Some(0), Some(1), Some(5), Some(100)] {
        FIGURES.sessions(1);
        let mut peer = connect(&service.server)?;
        peer.hear("220 ")?;
        if let Some(count) = piece {
            peer.ask("STARTTLS", "220")?;
            peer.say(&hello[..count]);
        }
        stalled.push(peer);
    }
    let half_a_record = half_a_record(&service, &trust)?;
    costs_nothing(&chain, service.server.pid(), "tlsserver")?;
    drop((stalled, half_a_record));
    service.is_idle()?;
    service.over()
}

/// A session within TLS, of whose next record one octet is missing.
fn half_a_record(service: &Service, trust: &Arc<ClientConfig>) -> Result<TcpStream> {
    FIGURES.sessions(1);
    let mut peer = connect(&service.server)?;
    peer.hear("220 ")?;
    peer.ask("STARTTLS", "220")?;
    let mut peer = peer.secure(trust)?;
    peer.ask("EHLO client", "250")?;
    peer.stream.conn.writer().write_all(b"NOOP\r\n")?;
    let mut record = Vec::new();
    peer.stream.conn.write_tls(&mut record)?;
    record.pop();
    peer.stream.sock.write_all(&record)?;
    Ok(peer.stream.sock)
}
