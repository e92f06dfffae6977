//! What a client does wrong that an engine talks to, at every stage: it is told
//! what authup would tell it, the log says why, others go on, and nothing is left behind.

use rustix::process::Signal;
use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::thread;
use test_support::wait::until;

use super::{DOORS, Door, POP3S, SUBMISSION, ask, line, text};
use crate::harness::client::{Tls, clear_rest, finish_sending, hello, plain, reset, rest, vanish};
use crate::harness::processes::{signal, status};
use crate::harness::{Server, Setup};

/// The server still serves, and holds what it began with.
pub(super) fn assert_unharmed(door: Door, server: &Server) {
    server.idle();
    door.log_in(server);
    server.idle();
    server.wait_until_held_as_begun();
}

/// With a control file that says so many seconds.
pub(super) fn with_seconds(setup: Setup, file: &str, seconds: &str) -> Server {
    fs::write(setup.file("control").join(file), seconds).unwrap();
    setup.start()
}

impl Door {
    fn with_each(self, seconds: &str) -> Server {
        with_seconds(self.setup(), self.word("timeoutsmtpd", "timeoutpop3d"), seconds)
    }
}

/// At all doors side by side: time passes at each.
fn at_each_door(test: impl Fn(Door) + Sync) {
    thread::scope(|scope| {
        for door in DOORS {
            let test = &test;
            scope.spawn(move || test(door));
        }
    });
}

#[test]
fn silence_ends_the_session_with_a_word() {
    at_each_door(|door| {
        let server = door.with_each("3\n");
        let falls_silent = &|says: &str| {
            let answer = if says.ends_with('\n') { door.ok() } else { "" };
            let expected = format!("{answer}{}", door.timeout());
            if door.asked {
                let mut socket = door.greeted(&server);
                socket.write_all(says.as_bytes()).unwrap();
                assert_eq!(text(clear_rest(socket)), expected);
            }
            let mut tls = door.enter(&server);
            tls.write_all(says.as_bytes()).unwrap();
            assert_eq!(text(rest(&mut tls)), expected);
        };
        thread::scope(|scope| {
            for says in ["", "NOO", "NOOP\r\n", door.word("AUT", "USE")] {
                scope.spawn(move || falls_silent(says));
            }
        });
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        assert_eq!(server.log.count("tlsserver: tls "), 0, "{:#?}", server.log.lines());
        server.log.wait_for_count("no login from 127.0.0.1", 4);
        assert_unharmed(door, &server);
    });
}

#[test]
fn so_does_the_end_of_the_whole_time_however_busy_the_client_is() {
    at_each_door(|door| {
        let server = with_seconds(door.setup(), "timeoutlogin", "3\n");
        let mut tls = door.enter(&server);
        let busy = || ask(&mut tls, "NOOP\r\n");
        assert_eq!(until("end", busy, |answer| answer != door.ok()), door.timeout());
        assert_eq!(rest(&mut tls), b"");
    });
}

#[test]
fn a_client_that_takes_nothing_is_left_and_costs_little() {
    const CLIENTS: usize = 20;
    // The clients are slow, too, while all of them flood.
    for door in [SUBMISSION, POP3S] {
        let setup = door.setup().option("--engines 1");
        let server = with_seconds(setup, door.word("timeoutsmtpd", "timeoutpop3d"), "3\n");
        let mut other = door.enter(&server);
        let engine = server.engines()[0];
        let peak =
            || -> usize { status(engine, "VmHWM").trim_end_matches(" kB").trim().parse().unwrap() };
        let peak_before = peak();
        let noops = "NOOP\r\n".repeat(100_000);
        thread::scope(|scope| {
            let floods = [(); CLIENTS].map(|()| {
                scope.spawn(|| {
                    let mut tls = door.enter(&server);
                    // Until the server has had enough.
                    (0..100).all(|_| tls.write_all(noops.as_bytes()).is_ok())
                })
            });
            // Meanwhile it is all there for others.
            let is_over = |_: &()| floods.iter().all(thread::ScopedJoinHandle::is_finished);
            let serves = || assert_eq!(ask(&mut other, "NOOP\r\n"), door.ok());
            until("end of the floods", serves, is_over);
            assert!(!floods.into_iter().any(|flood| flood.join().unwrap()), "all was taken");
        });
        server.log.wait_for_count("tls from 127.0.0.1: client accepted no data for 3 s", CLIENTS);
        let grown = peak() - peak_before;
        assert!(grown < 10_000, "{grown} kB for {CLIENTS} clients");
        drop(other);
        assert_unharmed(door, &server);
    }
}

#[test]
fn a_half_closed_client_is_told() {
    for door in DOORS {
        let server = door.setup().start();
        for says in ["", "N", "NOOP\r\n", door.word("AUTH", "USER").split_at(3).0] {
            let answer = if says.ends_with('\n') { door.ok() } else { "" };
            let expected = format!("{answer}{}", door.ended());
            if door.asked {
                let mut socket = door.greeted(&server);
                socket.write_all(says.as_bytes()).unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                assert_eq!(text(clear_rest(socket)), expected);
            }
            let mut tls = door.enter(&server);
            tls.write_all(says.as_bytes()).unwrap();
            finish_sending(&mut tls);
            assert_eq!(text(rest(&mut tls)), expected);
        }
        assert_eq!(server.log.count("tlsserver: tls "), 0, "{:#?}", server.log.lines());
        // Behind a login it is for the program.
        let mut tls = door.enter(&server);
        tls.write_all(format!("{}more", door.login()).as_bytes()).unwrap();
        finish_sending(&mut tls);
        door.is_logged_in(&mut tls);
        assert_eq!(text(rest(&mut tls)), "more");
        drop(tls);
        assert_unharmed(door, &server);
    }
}

#[test]
fn a_client_may_vanish_at_any_stage() {
    for door in DOORS {
        let server = door.setup().start();
        let hello = hello(&server);
        for how in [vanish, reset] {
            how(plain(&server));
            let greeted = || {
                let mut socket = plain(&server);
                if door.asked {
                    line(&mut socket);
                }
                socket
            };
            how(greeted());
            for says in ["NOO", "NOOP\r\n", "QUIT\r\n", "AUTH", door.starttls()] {
                let mut socket = greeted();
                socket.write_all(says.as_bytes()).unwrap();
                how(socket);
            }
            for length in [1, hello.len() / 2, hello.len()] {
                let mut socket = greeted();
                if door.asked {
                    ask(&mut socket, door.starttls());
                }
                socket.write_all(&hello[..length]).unwrap();
                how(socket);
            }
            for says in ["", "NOO", "NOOP\r\n", "QUIT\r\n", "AU", "US", door.login()] {
                let mut tls = door.enter(&server);
                tls.write_all(says.as_bytes()).unwrap();
                how(tls.sock);
            }
        }
        // And before anything of it was looked at.
        let engines = server.engines();
        let stopped: Vec<Tls> = (0..3).map(|_| door.enter(&server)).collect();
        for engine in &engines {
            signal(*engine, Signal::STOP);
        }
        for mut tls in stopped {
            tls.write_all(door.login().as_bytes()).unwrap();
            reset(tls.sock);
        }
        for engine in engines {
            signal(engine, Signal::CONT);
        }
        server.idle();
        assert_unharmed(door, &server);
    }
}

/// All ways to end, many times over.
#[test]
fn nothing_is_left_of_many_sessions() {
    for door in DOORS {
        let server = door.setup().option("-c 10").start();
        thread::scope(|scope| {
            for at in 0..100 {
                let server = &server;
                scope.spawn(move || {
                    let mut socket = plain(server);
                    match at % 5 {
                        0 => vanish(socket),
                        1 => {
                            let _ = socket.write_all(&[0x80; 1000]);
                            reset(socket);
                        }
                        2 => {
                            let mut tls = door.enter(server);
                            assert_eq!(ask(&mut tls, "QUIT\r\n"), door.bye());
                            assert_eq!(rest(&mut tls), b"");
                        }
                        3 => vanish(door.enter(server).sock),
                        _ => {
                            let mut tls = door.enter(server);
                            door.logs_in(&mut tls);
                            finish_sending(&mut tls);
                            assert_eq!(text(rest(&mut tls)), "");
                        }
                    }
                });
            }
        });
        server.idle();
        assert_eq!(server.log.count(": status: 11/10"), 0);
        server.log.wait_for_count("tlsserver: end ", 20);
        assert_eq!(server.log.count("tlsserver: pid "), 20);
        assert_unharmed(door, &server);
        assert_eq!(server.processes().len(), server.began_with.1);
    }
}

#[test]
fn d60_who_speaks_another_protocol_is_ended_at_once_and_the_log_names_it() {
    for door in DOORS {
        let server = door.setup().start();
        let mut tls = door.enter(&server);
        tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let last = door.refusal("421", "HTTP is not spoken here", "4.5.0");
        assert_eq!(text(rest(&mut tls)), last);
        server.log.wait_for(&["tls from 127.0.0.1: client speaks HTTP"]);
        if door.asked {
            let mut socket = door.greeted(&server);
            socket.write_all(&hello(&server)).unwrap();
            assert_eq!(clear_rest(socket), b"");
            server.log.wait_for(&["tls from 127.0.0.1: client speaks TLS at once"]);
        }
        assert_unharmed(door, &server);
    }
}

#[test]
fn who_never_begins_to_log_in_leaves_one_line() {
    for door in DOORS {
        let server = door.setup().start();
        let mut quits = door.enter(&server);
        assert_eq!(ask(&mut quits, "QUIT\r\n"), door.bye());
        assert_eq!(rest(&mut quits), b"");
        let mut browser = door.enter(&server);
        browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        rest(&mut browser);
        let cut = door.enter(&server);
        cut.sock.shutdown(Shutdown::Both).unwrap();
        for what in ["no login from 127.0.0.1", ": client speaks HTTP", ": truncated"] {
            server.log.wait_for(&[what]);
        }
        server.idle();
        let lines = server.log.lines();
        let about: Vec<_> = lines.iter().filter(|line| line.contains(" from 127.0.0.1")).collect();
        assert_eq!(about.len(), 3, "{lines:#?}");
        let one = |what: &str| about.iter().filter(|line| line.contains(what)).count();
        let each = ["no login from", ": client speaks HTTP", ": truncated"].map(one);
        assert_eq!(each, [1, 1, 1], "{lines:#?}");
    }
}

/// After a login that was refused, too, of which the monitor knows.
#[test]
fn d60_nor_does_the_monitor_keep_anything_of_it() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().option("--tries 2").start();
        let mut tls = door.enter(&server);
        let answer = ask(&mut tls, door.wrong());
        tls.write_all(b"POST / HTTP/1.0\r\n").unwrap();
        let last = door.refusal("421", "HTTP is not spoken here", "4.5.0");
        assert_eq!(
            answer + &text(rest(&mut tls)),
            format!("{}{}{last}", door.first(), door.failed())
        );
        server.log.wait_for(&[": client speaks HTTP"]);
        server.log.wait_for(&["tlsserver: end ", " status 256: exit 1"]);
        assert_unharmed(door, &server);
    }
}
