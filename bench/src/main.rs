//! The table of `make bench`: our server beside the peers that Debian has, in one run
//! on one machine, with one load generator. Only the ratios mean anything elsewhere.
//!
//! `bench sink` is the mail server behind all of them in the throughput rows.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod cpu;
mod idle;
mod load;
mod peers;
mod sink;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use load::Sessions;
use peers::{Peer, Workshop};

/// How long each rate is measured.
const EACH: Duration = Duration::from_secs(5);
/// Octets of one message, and messages at a time, in the throughput rows.
const MESSAGE: usize = 256 << 20;
const MESSAGES: usize = 4;
const IDLE: usize = 2000;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("sink") => sink::run(),
        Some("sessions") => sessions(),
        Some("messages") => messages(),
        Some("idle") => idle(),
        Some("load") => only_load(),
        _ => sessions().and_then(|()| messages()).and_then(|()| idle()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

type Start = fn(&Workshop) -> io::Result<Peer>;
/// The last one is in front.
type StartAll = fn(&Workshop) -> io::Result<Vec<Peer>>;

fn sessions() -> io::Result<()> {
    let peers: [(&str, Start); 4] = [
        ("tlsserver, authup", peers::tlsserver),
        ("nginx mail proxy", peers::nginx),
        ("tlswrapper, tlswrapper-smtp", peers::tlswrapper),
        ("Dovecot submission login", peers::dovecot),
    ];
    println!("EHLO, STARTTLS, EHLO, QUIT      sessions/s  failed     median      server's time");
    println!("                                64 clients           4 clients     for a session");
    let workshop = Workshop::new()?;
    for (name, start) in peers {
        let before = cpu::of_ended_children()?;
        let peer = match start(&workshop) {
            Ok(peer) => peer,
            Err(reason) => {
                println!("{name:<30}  not measured: {reason}");
                continue;
            }
        };
        let many = load::sessions(peer.port, 64, EACH);
        let few = load::sessions(peer.port, 4, EACH);
        drop(peer);
        let spent = cpu::of_ended_children()?.saturating_sub(before);
        let Sessions { times, failed } = &many;
        let rate = times.len() as f64 / EACH.as_secs_f64();
        let median = milliseconds(few.median());
        let each = milliseconds(spent) / (times.len() + few.times.len()) as f64;
        println!("{name:<30} {rate:>11.0} {failed:>7} {median:>8.1} ms {each:>15.2} ms");
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn messages() -> io::Result<()> {
    println!("\nmessage octets to the same server        MB/s    servers' time for a GB");
    let workshop = Workshop::new()?;
    let rows: [(&str, StartAll, bool); 3] = [
        ("without TLS", |workshop| Ok(vec![peers::bare_sink(workshop)?]), false),
        ("tlsserver", |workshop| Ok(vec![peers::tlsserver_sink(workshop)?]), true),
        ("nginx mail proxy", peers::nginx_sink, true),
    ];
    for (name, start, tls) in rows {
        let before = cpu::of_ended_children()?;
        let rate = start(&workshop).and_then(|peers| {
            let front = peers.last().ok_or(io::ErrorKind::NotFound)?;
            load::messages(front.port, tls, MESSAGES, MESSAGE)
        });
        let spent = cpu::of_ended_children()?.saturating_sub(before);
        let each = milliseconds(spent) / (MESSAGES * MESSAGE) as f64 * 1e9;
        match rate {
            Ok(rate) => println!("{name:<30} {:>13.0} {each:>22.0} ms", rate / 1e6),
            Err(reason) => println!("{name:<30}  not measured: {reason}"),
        }
    }
    Ok(())
}

fn idle() -> io::Result<()> {
    let workshop = Workshop::new()?;
    let peer = peers::tlsserver(&workshop)?;
    let each = idle::memory_of_each(&peer, IDLE)?;
    println!("\n{IDLE} idle TLS connections before login: {each:.1} kB each (PSS of listener,");
    println!("engines and keyholder together)");
    Ok(())
}

/// Puts load on a server that runs already, for a profiler to look at.
fn only_load() -> io::Result<()> {
    let port = std::env::args().nth(2).and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("usage: bench load PORT"))?;
    let done = load::sessions(port, 64, EACH);
    println!("{} sessions, {} failed", done.times.len(), done.failed);
    Ok(())
}
