//! What a client that stalls costs: no processor time, wherever it has stopped, while other
//! sessions come and go.

use std::collections::BTreeMap;
use std::io::Write;

use acceptance::chain::Chain;
use acceptance::peer::{Peer, client};
use acceptance::processes::{of_group, settles};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Result, bail, ensure};
use test_support::client::Stream;
use test_support::talking::up_to;
use test_support::wait::until;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::{Service, Session};
use crate::{as_run, login, words};

pub(crate) const TESTS: &[Test] = &[
    ("a_client_that_stalls_costs_no_time", &["smtpfront-echo"], stalled),
    ("a_client_that_stalls_before_a_login_costs_no_time", &["smtpfront-echo"], |programs| {
        Door::each(&Door::OF_AN_ENGINE, programs, stalled_at_a_door)
    }),
    ("a_handshake_that_stalls_costs_no_time", &["smtpfront-echo"], stalled_within_tls),
];

/// How often each process has run, and for how long, once all of them sleep.
fn work(group: u32) -> BTreeMap<u32, (u64, u64)> {
    let look = || {
        of_group(group).iter().for_each(|process| settles(process.pid));
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
        quiet.then_some(done)
    };
    until("quiet", look, Option::is_some).unwrap_or_default()
}

/// How often it is looked whether nobody wakes, where nobody has a reason to.
const ONCE: usize = 1;

/// The same of a TLS server, which looks every few seconds whether its processes answer: if that
/// comes between, it is looked again. What a stalled client costs would be there each time.
const BESIDES_ITS_OWN: usize = 10;

/// The client has stalled: while other sessions come and go, nobody here wakes, in one of so
/// many times.
fn costs_nothing(chain: &Chain<'_>, group: u32, times: usize, what: &str) -> Result<()> {
    let mut last = None;
    for _ in 0..times {
        last = woken(chain, group)?;
        if last.is_none() {
            return Ok(());
        }
    }
    bail!("{what}: {}", last.unwrap_or_default())
}

/// What shows that somebody woke while some sessions came and went; nothing if nobody did.
fn woken(chain: &Chain<'_>, group: u32) -> Result<Option<String>> {
    let before = work(group);
    for _ in 0..3 {
        let mut other = Session::start(chain, &["fixsmtpio", "smtpfront-echo"])?;
        other.peer.hear("220 ")?;
        other.peer.ask("QUIT", "221")?;
        other.over()?;
    }
    let after = work(group);
    let woken = before.iter().filter(|(pid, count)| after.get(pid) != Some(count)).count();
    ensure!(!before.is_empty(), "nobody is there");
    if woken > 0 {
        return Ok(Some(format!("switches and ticks were {before:?} and are {after:?}")));
    }
    FIGURES.add(Kind::Idle, before.len(), woken);
    Ok(None)
}

/// By IMAP a client may stall within octets that it has counted.
const IMAP_STALLS: [&str; 6] = [
    "",
    "a NO",
    "a LOGIN {3}\r\n",
    "a LOGIN {30+}\r\nbob",
    "a LOGIN {3}\r\nbob {9}\r\npass",
    "a AUTHENTICATE PLAIN\r\nAA",
];

/// What the client says before it stalls.
fn stalled(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let smtp = login(&chain, "smtp", &["false"]);
    let pop3 = login(&chain, "pop3", &["false"]);
    let imap = login(&chain, "imap", &["false"]);
    let relay = ["fixsmtpio", "smtpfront-echo"].map(str::to_owned).to_vec();
    let data = "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nhalf a";
    let stalls: [(&[String], &[&str]); 4] = [
        (&smtp, &["", "NO", "EHLO x\r\n", "AUTH LOGIN\r\n", "AUTH PLAIN\r\nAA", "\0\0"]),
        (&pop3, &["", "US", "USER bob\r\n", "USER bob\r\nPA"]),
        (&imap, &IMAP_STALLS),
        (&relay, &["", "NO", "EHLO x\r\n", data, "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n\r\n."]),
    ];
    for (command, says) in stalls {
        for text in says {
            let mut session = Session::start(&chain, &words(command))?;
            up_to(&mut session.peer.stream, "\n")?;
            session.peer.say(text);
            let what = format!("{} after {text:?}", command[0]);
            costs_nothing(&chain, session.pid(), ONCE, &what)?;
            session.over()?;
        }
    }
    Ok(())
}

/// The same where a TLS server talks, which must not look after each of its clients.
fn stalled_at_a_door(chain: &Chain<'_>, door: Door) -> Result<()> {
    for (protocol, says) in [
        ("smtp", &["", "NO", "AU", "EHLO x\r\n", "AUTH LOGIN\r\n", "\0\0"][..]),
        ("pop3", &["", "US", "CAPA\r\n", "USER bob\r\nPA"]),
        ("imap", &IMAP_STALLS),
    ] {
        for text in says {
            let mut session = door.session(chain, protocol, &login(chain, protocol, &["false"]))?;
            session.peer.say(text);
            // All that is to be said to it is said.
            let what = format!("{door:?} after {text:?}");
            costs_nothing(chain, session.pid(), BESIDES_ITS_OWN, &what)?;
            session.over()?;
        }
    }
    Ok(())
}

/// Connections within tlsserver that stop at each point.
fn stalled_within_tls(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let service = Door::Clear.service(&chain, "smtp", &["fixsmtpio", "smtpfront-echo"])?;
    let mut hello = Vec::new();
    client(&service.trust)?.write_tls(&mut hello)?;
    let mut stalled: Vec<Peer> = Vec::new();
    // Nothing, STARTTLS only, and pieces of the handshake.
    for piece in [None, Some(0), Some(1), Some(5), Some(100)] {
        let mut peer = service.knock()?;
        if let Some(count) = piece {
            peer.ask("STARTTLS", "220")?;
            peer.say(&hello[..count]);
        }
        stalled.push(peer);
    }
    let half_a_record = half_a_record(&service)?;
    costs_nothing(&chain, service.server.pid(), BESIDES_ITS_OWN, "tlsserver")?;
    drop((stalled, half_a_record));
    service.over()
}

/// A session within TLS, of whose next record one octet is missing.
fn half_a_record(service: &Service) -> Result<Peer> {
    let mut peer = Door::Starttls.knock(service)?;
    peer.ask("EHLO client", "250")?;
    let Stream::Tls(tls) = &mut peer.stream else { bail!("no TLS") };
    tls.conn.writer().write_all(b"NOOP\r\n")?;
    let mut record = Vec::new();
    tls.conn.write_tls(&mut record)?;
    record.pop();
    tls.sock.write_all(&record)?;
    Ok(peer)
}
