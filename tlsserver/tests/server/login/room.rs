//! Where there is no room for those who wait, those make some who have had their time and
//! do not log in; whatever they do instead, and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use test_support::wait::until;

use super::{Door, POP3S, SUBMISSION, ask, assert_repeats, text};
use crate::harness::client::{handshake, hello, rest};

const MADE: &str = "evicted 127.0.0.1: not logged in, connection limit reached";

#[test]
fn who_has_been_there_longest_without_a_login_makes_room() {
    let by = |door: Door| {
        let server = door.setup().option("-c 3").start();
        let mut logged_in = door.logged_in(&server);
        let mut silent = door.enter(&server);
        let mut busy = door.enter(&server);
        thread::scope(|scope| {
            let waits = scope.spawn(|| door.log_in(&server));
            let is_busy = || assert_eq!(ask(&mut busy, "NOOP\r\n"), door.ok());
            until("room", is_busy, |()| waits.is_finished());
            waits.join().unwrap();
        });
        assert_eq!(text(rest(&mut silent)), door.timeout());
        server.log.wait_for_count(MADE, 1);
        // Being busy is no login either.
        drop(silent);
        thread::scope(|scope| {
            let _another = door.enter(&server);
            let waits = scope.spawn(|| door.log_in(&server));
            let is_busy = || ask(&mut busy, "NOOP\r\n");
            assert_eq!(until("end", is_busy, |answer| answer != door.ok()), door.timeout());
            waits.join().unwrap();
        });
        server.log.wait_for_count(MADE, 2);
        assert_repeats(&mut logged_in);
        drop((logged_in, busy));
        server.idle_as_begun();
    };
    thread::scope(|scope| {
        for door in [SUBMISSION, POP3S] {
            scope.spawn(move || by(door));
        }
    });
}

#[test]
fn whatever_a_client_does_it_makes_room() {
    let door = SUBMISSION;
    let server = door.setup().option("-c 6 -t 1000").start();
    let greeted = || door.greeted(&server);
    let clear = greeted();
    let mut handshakes = [greeted(), greeted()];
    for (socket, count) in handshakes.iter_mut().zip([0, 100]) {
        ask(socket, door.starttls());
        socket.write_all(&hello(&server)[..count]).unwrap();
    }
    let mut half = door.enter(&server);
    half.write_all(b"AUT").unwrap();
    // It has nothing to say any more, and stays.
    let mut done = greeted();
    assert_eq!(ask(&mut done, "QUIT\r\n"), door.bye());
    let stuck = greeted();
    thread::scope(|scope| {
        let mut talks = stuck.try_clone().unwrap();
        scope.spawn(move || while talks.write_all("NOOP\r\n".repeat(1000).as_bytes()).is_ok() {});
        // They may all be of an engine that gets no new ones.
        server.reload();
        let late: Vec<_> = (0..12).map(|_| scope.spawn(|| door.log_in(&server))).collect();
        late.into_iter().for_each(|one| one.join().unwrap());
        // Room enough for all who came: as long as anybody has to make it, one does.
        let another: Vec<TcpStream> = (0..6).map(|_| greeted()).collect();
        assert_eq!(server.log.count("status: 7/6"), 0);
        drop(another);
    });
    let mut said = String::new();
    let _ = (&clear).read_to_string(&mut said);
    assert_eq!(said, door.timeout());
    let [mut early, _] = handshakes;
    assert_eq!(early.read(&mut [0]).unwrap_or(0), 0);
    assert!(handshake(&server, early).is_err());
    assert_eq!(text(rest(&mut half)), door.timeout());
    drop((clear, half, done, stuck));
    server.idle_as_begun();
}
