//! The table of `make bench`: our server beside the peers that Debian has, in one run
//! on one machine, with one load generator. Only the ratios mean anything elsewhere.
//!
//! `bench sink` is the mail server behind all of them in the throughput rows.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

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

fn sessions() -> io::Result<()> {
    let peers: [(&str, Start); 4] = [
        ("tlsserver, authup", peers::tlsserver),
        ("nginx mail proxy", peers::nginx),
        ("tlswrapper, tlswrapper-smtp", peers::tlswrapper),
        ("Dovecot submission login", peers::dovecot),
    ];
    println!("EHLO, STARTTLS, EHLO, QUIT      sessions/s, 64 clients  failed   median, 4 clients");
    let workshop = Workshop::new()?;
    for (name, start) in peers {
        let peer = match start(&workshop) {
            Ok(peer) => peer,
            Err(reason) => {
                println!("{name:<30}  not measured: {reason}");
                continue;
            }
        };
        // The first ones pay for what is done once.
        load::sessions(peer.port, 4, Duration::from_millis(500));
        let Sessions { times, failed } = load::sessions(peer.port, 64, EACH);
        let rate = times.len() as f64 / EACH.as_secs_f64();
        let few = load::sessions(peer.port, 4, EACH);
        let median = few.median().as_secs_f64() * 1000.0;
        println!("{name:<30}  {rate:>22.0}  {failed:>6}  {median:>15.1} ms");
    }
    Ok(())
}

fn messages() -> io::Result<()> {
    println!("\nmessage octets to the same server                         MB/s");
    let workshop = Workshop::new()?;
    let bare = peers::bare_sink(&workshop)?;
    let rows: [(&str, io::Result<Peer>, bool); 3] = [
        ("without TLS", peers::bare_sink(&workshop), false),
        ("tlsserver", peers::tlsserver_sink(&workshop), true),
        ("nginx mail proxy", peers::nginx_sink(&workshop, bare.port), true),
    ];
    for (name, peer, tls) in rows {
        match peer.and_then(|peer| load::messages(peer.port, tls, MESSAGES, MESSAGE)) {
            Ok(rate) => println!("{name:<30}  {:>30.0}", rate / 1e6),
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
