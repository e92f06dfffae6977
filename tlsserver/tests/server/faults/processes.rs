//! An engine or the keyholder dies, or is stuck: it is replaced, and costs what it had in hand.

use rustix::process::Signal;
use std::io::{Read, Write};
use test_support::needs;

use super::assert_unharmed;
use crate::harness::Setup;
use crate::harness::client::{begin, close, connect, goes_on, handshake, plain};
use crate::harness::processes::{signal, take_descriptor};

#[test]
fn an_engine_that_is_killed_takes_its_own_connections_and_no_others() {
    let server = Setup::delayed(&["cat"]).option("--engines 2").start();
    let mut sessions: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    let mut clear: Vec<_> = (0..2).map(|_| plain(&server)).collect();
    server.log.wait_for_count("pid", 6);
    // Connections alternate between the engines, so each has two and one in the clear.
    let victim = server.engines()[0];
    server.loses("engine", victim);
    server.log.wait_for_count("its engine died", 2);
    let alive: Vec<bool> = sessions
        .iter_mut()
        .map(|tls| tls.write_all(b"x").is_ok() && tls.read_exact(&mut [0]).is_ok())
        .collect();
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 2, "{alive:?}");
    // Who has not asked for TLS goes on without, and it is not said to have ended.
    for socket in &mut clear {
        socket.write_all(b"clear\nx").unwrap();
        socket.read_exact(&mut [0]).unwrap();
    }
    drop((sessions, clear));
    server.idle_as_begun();
    assert_eq!(server.log.count("its engine died"), 2);
    assert!(!server.engines().contains(&victim));
    assert_unharmed(&server);
}

#[test]
fn a_killed_keyholder_costs_no_running_session() {
    let server = Setup::delayed(&["cat"]).start();
    let mut running = connect(&server);
    let late = plain(&server);
    server.log.wait_for_count("pid", 2);
    let victim = server.keyholder();
    server.loses("keyholder", victim);
    server.log.wait_for(&["certificates reloaded"]);
    // Handed to an engine whose keyholder is gone: this one handshake fails.
    let mut late = late;
    late.write_all(b"tls\n").unwrap();
    assert!(handshake(&server, late).is_err());
    server.log.wait_for(&["handshake failed: ", "keyholder: "]);

    goes_on(&mut running);
    close(&mut running);
    drop(running);
    server.idle();
    assert_unharmed(&server);
}

#[test]
fn an_engine_that_is_stuck_is_ended_and_replaced() {
    let server = Setup::delayed(&["cat"]).option("--engines 2").start();
    let mut sessions = [connect(&server), connect(&server)];
    let victim = server.engines()[0];
    signal(victim, Signal::STOP);
    server.log.wait_for(&[&format!("engine {victim} is stuck")]);
    server.log.wait_for(&[&format!("engine {victim} died: signal 9")]);
    server.log.wait_for(&["its engine died"]);
    let alive = sessions
        .iter_mut()
        .filter_map(|tls| tls.write_all(b"x").and_then(|()| tls.read_exact(&mut [0])).ok());
    assert_eq!(alive.count(), 1);
    drop(sessions);
    server.idle();
    assert_eq!(server.log.count("is stuck"), 1, "{:#?}", server.log.lines());
    server.wait_until_held_as_begun();
    assert_unharmed(&server);
}

/// Whoever it was that ended the channel: such an engine could do no handshake, and would
/// get all connections, as it has the fewest.
#[test]
fn an_engine_that_has_lost_its_keyholder_gets_no_more_connections() {
    needs!("root");
    let server = Setup::delayed(&["cat"]).option("--engines 2").start();
    let mut sessions = [connect(&server), connect(&server)];
    let victim = server.engines()[0];
    let keys = take_descriptor(victim, 1);
    rustix::net::shutdown(&keys, rustix::net::Shutdown::Both).unwrap();
    drop(keys);
    let line = format!("engine {victim} cannot have handshakes signed; starting another");
    server.log.wait_for(&[&line]);
    for _ in 0..20 {
        let mut tls = connect(&server);
        close(&mut tls);
    }
    // What it had goes on, and it ends with that.
    sessions.iter_mut().for_each(goes_on);
    drop(sessions);
    server.idle_as_begun();
    assert!(!server.engines().contains(&victim));
    assert_eq!(server.log.count(" died: "), 0, "{:#?}", server.log.lines());
}

#[test]
fn a_keyholder_that_is_stuck_is_ended_and_replaced_and_no_engine_is() {
    let server = Setup::delayed(&["cat"]).option("--engines 2").start();
    let mut sessions = [connect(&server), connect(&server)];
    let victim = server.keyholder();
    signal(victim, Signal::STOP);
    // It is told so, and in time, which is a bound on how long the others wait for it.
    let late = handshake(&server, begin(&server));
    assert!(late.is_err());
    server.log.wait_for(&["handshake failed: ", "keyholder: no answer"]);
    server.log.wait_for(&[&format!("keyholder {victim} is stuck")]);
    server.log.wait_for(&[&format!("keyholder {victim} died: signal 9")]);
    server.log.wait_for(&["certificates reloaded"]);
    sessions.iter_mut().for_each(goes_on);
    drop(sessions);
    server.idle();
    let of_engines = |line: &String| line.contains("engine ") && line.contains("signal");
    assert!(!server.log.lines().iter().any(of_engines), "{:#?}", server.log.lines());
    server.wait_until_held_as_begun();
    assert_unharmed(&server);
}

/// What a process that was taken over can do by sending its channels into a socket that
/// nobody reads: it is gone, and its channels never end.
#[test]
fn an_engine_that_dies_while_its_channels_live_on_keeps_nobody() {
    needs!("root");
    let mut server = Setup::delayed(&["cat"]).option("--engines 1").start();
    let victim = server.engines()[0];
    let channels = [0, 1].map(|number| take_descriptor(victim, number));
    server.loses("engine", victim);
    let mut tls = connect(&server);
    close(&mut tls);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    drop(channels);
}
