//! What a client can make us spend: memory, which is bounded by a constant whatever comes
//! in, and places, which no way to hold them keeps. Processor time is `stalling`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use acceptance::chain::Chain;
use acceptance::peer::{Peer, client};
use acceptance::processes::{Process, descriptors, of_group, peak, resident, settles};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Session;
use crate::{as_an_ordinary_user, as_run, login, words};

pub(crate) const TESTS: &[Test] = &[
    ("memory_is_bounded_whatever_comes_in", &["smtpfront-echo"], memory),
    ("memory_is_bounded_within_tls", &["smtpfront-echo"], memory_within_tls),
    ("memory_is_bounded_before_a_login", &[], memory_before_a_login),
    ("a_thousand_held_before_a_login_cost_no_process", &[], held),
    ("a_flood_keeps_nobody_from_being_served", &[], |programs| {
        Door::each(&Door::OF_AN_ENGINE, programs, flooded)
    }),
    ("no_way_to_hold_a_place_keeps_it", &[], full),
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
fn flood(peer: &mut Peer, octet: u8, count: usize) -> Result<()> {
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
    fn pour(self, peer: &mut Peer, count: usize) -> Result<()> {
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

/// The most memory of a session into which so much was poured.
fn poured_into(mut session: Session, flood: &Flood, count: usize) -> Result<BTreeMap<String, u64>> {
    flood.pour(&mut session.peer, count)?;
    let peaks = peaks(session.pid());
    session.over()?;
    Ok(peaks)
}

/// Bounded, and no more after much than after little.
fn compare(what: &str, poured: impl Fn(usize) -> Result<BTreeMap<String, u64>>) -> Result<()> {
    let peaks = |count| poured(count).with_context(|| what.to_owned());
    let (little, much) = (peaks(LITTLE)?, peaks(MUCH)?);
    for (name, &most) in &much {
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
                poured_into(session, flood, count)
            };
            compare(&what, poured)?;
        }
    }
    Ok(())
}

fn memory_within_tls(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let service = Door::Clear.service(&chain, "smtp", &["fixsmtpio", "smtpfront-echo"])?;
    let poured = |count| {
        let mut peer = Door::Starttls.knock(&service)?;
        Flood::Message.pour(&mut peer, count)?;
        let peaks = peaks(service.server.pid());
        peer.ask("QUIT", "221")?;
        drop(peer);
        service.is_idle()?;
        anyhow::Ok(peaks)
    };
    compare("within TLS", poured)?;
    service.over()
}

fn memory_before_a_login(programs: &Programs) -> Result<()> {
    use Flood::{Commands, Line, Nuls, Response};
    for (door, floods) in [
        (Door::LoginBeforeTls, &[Line, Nuls, Commands][..]),
        (Door::Login, &[Line, Nuls, Commands, Response]),
    ] {
        for flood in floods {
            let what = format!("{door:?} {flood:?}");
            let poured = |count| {
                let chain = as_run(programs)?;
                let session = door.session(&chain, "smtp", &login(&chain, "smtp", &["false"]))?;
                poured_into(session, flood, count)
            };
            compare(&what, poured)?;
        }
    }
    Ok(())
}

/// Connections held at once: in the clear, and within TLS.
const HELD: [(Door, u64); 2] = [(Door::LoginBeforeTls, 1_000), (Door::Login, 150)];
/// The most that each may cost, all processes together, in KiB: while nothing is said, and
/// when as much was said as the client could, and no answer read.
const EACH: [u64; 2] = [48, 80];

/// What the processes of a service have: who they are, their descriptors and their memory.
fn costs(group: u32) -> Result<(BTreeSet<u32>, usize, u64)> {
    let processes: BTreeSet<u32> = of_group(group).iter().map(|process| process.pid).collect();
    let (mut open, mut memory) = (0, 0);
    for &pid in &processes {
        settles(pid);
        open += descriptors(pid)?;
        memory += resident(pid).unwrap_or_default();
    }
    Ok((processes, open, memory))
}

/// Those who never log in: a descriptor and some memory for each, and no process; and all
/// of them are served.
fn held(programs: &Programs) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    for (door, count) in HELD {
        let chain = as_an_ordinary_user(programs)?;
        let service = door.service(&chain, "smtp", &login(&chain, "smtp", &["false"]))?;
        let group = service.server.pid();
        // What the first ones cost once is no more than anybody's.
        drop(service.knock()?);
        service.is_idle()?;
        let (processes, open, memory) = costs(group)?;
        let mut peers = Vec::new();
        for _ in 0..count {
            peers.push(service.knock()?);
        }
        let ensure_cost = |what: &str, each: u64| {
            let (now, descriptors, resident) = costs(group)?;
            let more = now.difference(&processes).count();
            FIGURES.add(Kind::Held, usize::try_from(count)?, more);
            ensure!(now == processes, "{door:?} {what}: {more} processes more");
            ensure!(
                descriptors <= open + usize::try_from(count)?,
                "{door:?} {what}: {open} descriptors, then {descriptors}"
            );
            let cost = resident.saturating_sub(memory) / count;
            ensure!(cost <= each, "{door:?} {what}: {cost} KiB for each");
            Ok(())
        };
        ensure_cost("greeted", EACH[0])?;
        for peer in &mut peers {
            peer.ask("EHLO client", "250")?;
            peer.say("AU");
        }
        ensure_cost("talking", EACH[0])?;
        for peer in &mut peers {
            peer.say("\r\n");
            peer.hear("530")?;
            stuff(peer)?;
        }
        ensure_cost("not reading", EACH[1])?;
        let mut other = service.knock()?;
        other.ask("NOOP", "250")?;
        other.ask("QUIT", "221")?;
        drop((peers, other));
        service.over()?;
    }
    Ok(())
}

/// How many flood, and how many commands each sends before it reads.
const FLOODERS: usize = 4;
const AT_A_TIME: usize = 1_000;

/// Some say as much as they can, all the time; and others come, are served and go.
fn flooded(chain: &Chain<'_>, door: Door) -> Result<()> {
    let service = door.service(chain, "smtp", &login(chain, "smtp", &["false"]))?;
    let (served, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let flood = || {
            let mut peer = service.knock()?;
            let mut mine = 0;
            while !over.load(Ordering::Relaxed) || mine == 0 {
                peer.say("NOOP\r\n".repeat(AT_A_TIME));
                for _ in 0..AT_A_TIME {
                    peer.hear("250 ok")?;
                }
                mine += 1;
                served.fetch_add(1, Ordering::Relaxed);
            }
            peer.ask("QUIT", "221")
        };
        let floods: Vec<_> = (0..FLOODERS).map(|_| scope.spawn(flood)).collect();
        let others = (|| {
            for _ in 0..20 {
                let before = served.load(Ordering::Relaxed);
                let mut peer = service.knock()?;
                while served.load(Ordering::Relaxed) == before
                    && !floods.iter().any(|flood| flood.is_finished())
                {
                    peer.ask("NOOP", "250 ok")?;
                }
                peer.ask("QUIT", "221")?;
            }
            anyhow::Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.join().ok().context("a flooder panicked")??;
        }
        others
    })?;
    service.over()
}

/// As much as the buffers below take; what does not go is left out.
fn stuff(peer: &mut Peer) -> Result<()> {
    let socket = peer.stream.socket().try_clone()?;
    socket.set_nonblocking(true)?;
    while let Ok(1..) = peer.stream.write(&b"NOOP\r\n".repeat(2_000)) {}
    socket.set_nonblocking(false)?;
    Ok(())
}

/// All places are taken by clients that do not log in, each in a way of its own. For each
/// other that comes one of them has to go: also one that talks, or that takes nothing.
fn full(programs: &Programs) -> Result<()> {
    const PLACES: usize = 7;
    let (clear, within) = (Door::LoginBeforeTls, Door::Login);
    let chain = as_run(programs)?;
    let command = login(&chain, "smtp", &["false"]);
    let service = within.service_for(&PLACES.to_string(), &chain, "smtp", &command)?;
    let knock = |door: Door| door.knock(&service);
    let mut hello = Vec::new();
    client(&service.trust)?.write_tls(&mut hello)?;

    let silent = [knock(clear)?, knock(within)?];
    let mut half_a_verb = knock(within)?;
    half_a_verb.say("AU");
    let mut half_a_handshake = knock(clear)?;
    half_a_handshake.ask("STARTTLS", "220")?;
    half_a_handshake.say(&hello[..hello.len() / 2]);
    let mut deaf = [knock(clear)?, knock(within)?];
    for peer in &mut deaf {
        stuff(peer)?;
    }
    let mut talker = knock(within)?;
    let talks = thread::spawn(move || {
        // Until it is told to go; the rest is for whoever asks how it ended.
        while talker.ask("NOOP", "250 ok").is_ok() {}
        talker
    });
    let mut others = Vec::new();
    for _ in 0..PLACES {
        let mut peer = knock(clear)?;
        peer.ask("NOOP", "250 ok")?;
        others.push(peer);
    }
    let mut gone: Vec<_> = silent.into_iter().chain(deaf).collect();
    gone.extend([half_a_verb, half_a_handshake]);
    gone.push(talks.join().ok().context("the talker panicked")?);
    for mut peer in gone {
        peer.rest()?;
    }
    for peer in &mut others {
        peer.ask("QUIT", "221")?;
    }
    drop(others);
    service.over()
}
