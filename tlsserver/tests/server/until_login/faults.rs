//! What goes wrong with a client that an engine talks to, at every stage: it is told
//! what authup would tell it, the log says why, others go on, and nothing is left behind.

use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;

use super::{DOORS, Door, POP3, POP3S, SUBMISSION, ask, assert_repeats, line, text};
use crate::harness::client::{
    Tls, clear_rest, config, finish_sending, hello, plain, reset, rest, secure, vanish,
};
use crate::harness::processes::{Held, children, descriptors, kill, status};
use crate::harness::{Server, Setup};

/// The server still serves, and holds what it held before.
fn assert_unharmed(door: Door, server: &Server, before: &Held) {
    server.idle();
    let (mut tls, _) = door.enter(server);
    ask(&mut tls, door.login());
    assert_eq!(line(&mut tls), door.login());
    assert_repeats(&mut tls);
    finish_sending(&mut tls);
    assert_eq!(rest(&mut tls), b"");
    drop(tls);
    server.idle();
    server.wait_until_held(before);
}

/// With a control file that says so many seconds.
fn with_seconds(setup: Setup, file: &str, seconds: &str) -> Server {
    fs::write(setup.file("control").join(file), seconds).unwrap();
    setup.start()
}

impl Door {
    fn with_each(self, seconds: &str) -> Server {
        with_seconds(self.setup(), self.word("timeoutsmtpd", "timeoutpop3d"), seconds)
    }
}

#[test]
fn silence_ends_the_session_with_a_word() {
    for door in DOORS {
        let server = door.with_each("1\n");
        let before = server.held();
        let falls_silent = &|says: &str| {
            let answer = if says.ends_with('\n') { door.ok() } else { "" };
            let expected = format!("{answer}{}", door.timeout());
            if door.asked {
                let mut socket = plain(&server);
                line(&mut socket);
                socket.write_all(says.as_bytes()).unwrap();
                assert_eq!(text(clear_rest(socket)), expected);
            }
            let (mut tls, _) = door.enter(&server);
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
        assert_unharmed(door, &server, &before);
    }
}

#[test]
fn so_does_the_end_of_the_whole_time_however_busy_the_client_is() {
    for door in DOORS {
        let server = with_seconds(door.setup(), "timeoutlogin", "1\n");
        let (mut tls, _) = door.enter(&server);
        let mut answer = door.ok().to_owned();
        while answer == door.ok() {
            answer = ask(&mut tls, "NOOP\r\n");
        }
        assert_eq!(answer, door.timeout());
        assert_eq!(rest(&mut tls), b"");
    }
}

#[test]
fn a_client_that_takes_nothing_is_left_and_costs_little() {
    const CLIENTS: usize = 20;
    // The clients are slow, too, while all of them flood.
    for door in [SUBMISSION, POP3S] {
        let setup = door.setup().option("--engines 1");
        let server = with_seconds(setup, door.word("timeoutsmtpd", "timeoutpop3d"), "3\n");
        let before = server.held();
        let (mut other, _) = door.enter(&server);
        let engine = server.engines()[0];
        let peak =
            || -> usize { status(engine, "VmHWM").trim_end_matches(" kB").trim().parse().unwrap() };
        let peak_before = peak();
        let noops = "NOOP\r\n".repeat(100_000);
        thread::scope(|scope| {
            let floods = [(); CLIENTS].map(|()| {
                scope.spawn(|| {
                    let (mut tls, _) = door.enter(&server);
                    // Until the server has had enough.
                    (0..100).all(|_| tls.write_all(noops.as_bytes()).is_ok())
                })
            });
            // Meanwhile it is all there for others.
            while !floods.iter().all(thread::ScopedJoinHandle::is_finished) {
                assert_eq!(ask(&mut other, "NOOP\r\n"), door.ok());
            }
            assert!(!floods.into_iter().any(|flood| flood.join().unwrap()), "all was taken");
        });
        server.log.wait_for_count("tls from 127.0.0.1: the peer took nothing for 3 s", CLIENTS);
        let grown = peak() - peak_before;
        assert!(grown < 10_000, "{grown} kB for {CLIENTS} clients");
        drop(other);
        assert_unharmed(door, &server, &before);
    }
}

#[test]
fn a_half_closed_client_is_told() {
    for door in DOORS {
        let server = door.setup().start();
        let before = server.held();
        for says in ["", "N", "NOOP\r\n", door.word("AUTH", "USER").split_at(3).0] {
            let answer = if says.ends_with('\n') { door.ok() } else { "" };
            let expected = format!("{answer}{}", door.ended());
            if door.asked {
                let mut socket = plain(&server);
                line(&mut socket);
                socket.write_all(says.as_bytes()).unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                assert_eq!(text(clear_rest(socket)), expected);
            }
            let (mut tls, _) = door.enter(&server);
            tls.write_all(says.as_bytes()).unwrap();
            finish_sending(&mut tls);
            assert_eq!(text(rest(&mut tls)), expected);
        }
        assert_eq!(server.log.count("tlsserver: tls "), 0, "{:#?}", server.log.lines());
        // Behind a login it is for the program.
        let (mut tls, _) = door.enter(&server);
        tls.write_all(door.login().as_bytes()).unwrap();
        finish_sending(&mut tls);
        line(&mut tls);
        assert_eq!(text(rest(&mut tls)), door.login());
        drop(tls);
        assert_unharmed(door, &server, &before);
    }
}

#[test]
fn a_client_may_vanish_at_any_stage() {
    for door in DOORS {
        let server = door.setup().start();
        let before = server.held();
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
                let (mut tls, _) = door.enter(&server);
                tls.write_all(says.as_bytes()).unwrap();
                how(tls.sock);
            }
        }
        // And before anything of it was looked at.
        let engines = server.engines();
        let stopped: Vec<Tls> = (0..3).map(|_| door.enter(&server).0).collect();
        for engine in &engines {
            crate::harness::processes::signal(*engine, Signal::STOP);
        }
        for mut tls in stopped {
            tls.write_all(door.login().as_bytes()).unwrap();
            reset(tls.sock);
        }
        for engine in engines {
            crate::harness::processes::signal(engine, Signal::CONT);
        }
        server.idle();
        assert_unharmed(door, &server, &before);
    }
}

/// A server whose program can be taken away while it runs.
fn with_script(setup: Setup, script: &str) -> Server {
    let path = setup.file("program");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = setup.command();
    command.current_dir(setup.directory.path());
    setup.start_as(command)
}

#[test]
fn a_program_that_cannot_be_run_any_more_is_said_to_both_sides() {
    for door in DOORS {
        let server = with_script(door.with(&["./program"]), "#!/bin/cat\n");
        let before = server.held();
        fs::remove_file(server.file("program")).unwrap();
        for says in [door.login().to_owned(), format!("{}{}", door.login(), "x".repeat(50_000))] {
            let (mut tls, _) = door.enter(&server);
            tls.write_all(format!("NOOP\r\n{says}").as_bytes()).unwrap();
            let refused = door.refusal("454", "unable to fork", "4.3.0");
            assert_eq!(text(rest(&mut tls)), format!("{}{refused}", door.ok()));
        }
        let why = "tls from 127.0.0.1: unable to exec: ./program: No such file or directory";
        server.log.wait_for_count(why, 2);
        server.idle();
        assert_eq!(server.log.count("no login"), 0, "{:#?}", server.log.lines());
        server.wait_until_held(&before);
        fs::write(server.file("program"), "#!/bin/sh\nread -r line; echo back\n").unwrap();
        fs::set_permissions(server.file("program"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ask(&mut door.enter(&server).0, door.login()), "back\n");
    }
}

#[test]
fn a_program_may_end_at_once_or_crash() {
    for door in DOORS {
        for (script, status, said) in [
            ("exit 7", 7 << 8, ""),
            ("kill -9 $$", 9, ""),
            ("echo once; exit 0", 0, "once\n"),
            ("exec <&-; echo deaf", 0, "deaf\n"),
        ] {
            let server = door.with(&["bash", "--norc", "-c", script]).start();
            let before = server.held();
            let (mut tls, _) = door.enter(&server);
            tls.write_all(format!("{}more", door.login()).as_bytes()).unwrap();
            assert_eq!(text(rest(&mut tls)), said);
            drop(tls);
            server.log.wait_for(&["tlsserver: end ", &format!(" status {status}")]);
            server.idle();
            server.wait_until_held(&before);
        }
    }
}

/// How many of them are answered.
fn alive(clients: &mut [impl Read + Write]) -> usize {
    let answers = clients.iter_mut().map(|client| {
        client.write_all(b"NOOP\r\n").and_then(|()| client.read_exact(&mut [0; 6])).is_ok()
    });
    answers.filter(|answered| *answered).count()
}

#[test]
fn an_engine_that_is_killed_takes_its_own_clients_and_no_others() {
    let server = SUBMISSION.setup().option("--engines 2").start();
    let before = server.held();
    let mut clear: Vec<TcpStream> = (0..2).map(|_| plain(&server)).collect();
    clear.iter_mut().for_each(|socket| assert!(line(socket).starts_with("220 ")));
    let mut secured: Vec<Tls> = (0..2).map(|_| SUBMISSION.enter(&server).0).collect();
    let mut with_programs: Vec<Tls> = (0..2).map(|_| SUBMISSION.enter(&server).0).collect();
    for tls in &mut with_programs {
        ask(tls, SUBMISSION.login());
        assert_eq!(line(tls), SUBMISSION.login());
    }
    // They alternate between the engines, so each has one of each kind.
    let victim = server.engines()[0];
    kill(victim);
    server.log.wait_for(&[&format!("engine {victim} died: signal 9")]);
    server.log.wait_for_count("its engine died", 3);
    assert_eq!([alive(&mut clear), alive(&mut secured), alive(&mut with_programs)], [1; 3]);
    drop((clear, secured, with_programs));
    assert_unharmed(SUBMISSION, &server, &before);
}

#[test]
fn a_killed_keyholder_costs_those_in_the_clear_their_handshake_and_no_more() {
    for door in [SUBMISSION, POP3] {
        let server = door.setup().start();
        let before = server.held();
        let mut late = plain(&server);
        line(&mut late);
        let (mut tls, _) = door.enter(&server);
        let victim = server.keyholder();
        kill(victim);
        server.log.wait_for(&[&format!("keyholder {victim} died: signal 9")]);
        server.log.wait_for(&["certificates read again"]);
        // The engine that has it goes on, and gets a program for it.
        assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
        ask(&mut tls, door.login());
        assert_eq!(line(&mut tls), door.login());
        assert_repeats(&mut tls);
        assert_eq!(ask(&mut late, "NOOP\r\n"), door.ok());
        ask(&mut late, door.starttls());
        assert!(secure(late, Arc::new(config(&server)), "localhost").is_err());
        server.log.wait_for(&["handshake failed: ", "keyholder: "]);
        drop(tls);
        assert_unharmed(door, &server, &before);
    }
}

/// The control files can be bad just when they are needed again.
#[test]
fn a_keyholder_that_dies_while_a_control_file_is_bad_is_replaced() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().start();
        let before = server.held();
        fs::remove_file(server.file("control/me")).unwrap();
        kill(server.keyholder());
        server.log.wait_for(&["control/me: No such file or directory; the old ones stay"]);
        server.log.wait_for(&["certificates read again"]);
        assert_unharmed(door, &server, &before);
    }
}

/// Between a keyholder's death and the next there is no engine for a new connection: one
/// whose PROXY header comes just then must not get a program that it may not have.
#[test]
fn without_an_engine_nobody_gets_a_program() {
    for door in DOORS {
        let server = door.setup().option("--proxy-protocol").start();
        let before = server.held();
        let mut socket = plain(&server);
        // Its header is waited for when this one has been served.
        let mut other = plain(&server);
        other.write_all(b"PROXY UNKNOWN\r\nQUIT\r\n").unwrap();
        clear_rest(other);
        server.log.wait_for_count("no login", 1);
        // There will be no next one for now.
        fs::rename(server.file("server.cert"), server.file("away")).unwrap();
        kill(server.keyholder());
        server.log.wait_for(&["server.cert: No such file"]);
        socket.write_all(b"PROXY UNKNOWN\r\nNOOP\r\n").unwrap();
        assert_eq!(text(clear_rest(socket)), "");
        server.log.wait_for(&["tls from 127.0.0.1: engine: there is no engine"]);
        assert_eq!(server.log.count("tlsserver: pid "), 0, "{:#?}", server.log.lines());
        fs::rename(server.file("away"), server.file("server.cert")).unwrap();
        server.signal(Signal::HUP);
        server.log.wait_for(&["certificates read again"]);
        server.wait_until_held(&before);
    }
}

#[test]
fn exhausted_descriptors_of_an_engine_are_said_to_both_sides() {
    let own = descriptors(SUBMISSION.setup().start().pid());
    for door in [SUBMISSION, POP3] {
        let server = door.setup().option("--engines 1 -c 100").start_limited(own + 16);
        let before = server.held();
        let mut secured: Vec<Tls> = (0..3).map(|_| door.enter(&server).0).collect();
        // A client that is held costs an engine one descriptor; to log in, two more.
        let mut held = Vec::new();
        loop {
            let mut socket = plain(&server);
            if socket.read(&mut [0]).unwrap() == 0 {
                break;
            }
            held.push(socket);
        }
        server.log.wait_for(&["tls from 127.0.0.1: the engine has no descriptors left"]);
        let refused = door.refusal("454", "unable to fork", "4.3.0");
        // There is room for none of them, and then for one.
        for left in [held.len() + 2, held.len() + 1] {
            let mut tls = secured.pop().unwrap();
            tls.write_all(door.login().as_bytes()).unwrap();
            assert_eq!(text(rest(&mut tls)), refused);
            drop(tls);
            let status = format!("status: {left}/100");
            server.log.wait_for_last(&status, |line| line.ends_with(&status));
        }
        server.log.wait_for_count("tls ", 3);
        let mut tls = secured.pop().unwrap();
        ask(&mut tls, door.login());
        assert_eq!(line(&mut tls), door.login());
        assert_eq!(alive(std::slice::from_mut(&mut tls)), 1);
        drop((tls, held));
        assert_unharmed(door, &server, &before);
    }
}

/// All ways to end, many times over.
#[test]
fn nothing_is_left_of_many_sessions() {
    for door in DOORS {
        let server = door.setup().option("-c 10").start();
        let before = server.held();
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
                            let (mut tls, _) = door.enter(server);
                            assert_eq!(ask(&mut tls, "QUIT\r\n"), door.bye());
                            assert_eq!(rest(&mut tls), b"");
                        }
                        3 => vanish(door.enter(server).0.sock),
                        _ => {
                            let (mut tls, _) = door.enter(server);
                            ask(&mut tls, door.login());
                            finish_sending(&mut tls);
                            assert_eq!(text(rest(&mut tls)), door.login());
                        }
                    }
                });
            }
        });
        server.idle();
        assert_eq!(server.log.count(": status: 11/10"), 0);
        server.log.wait_for_count("tlsserver: end ", 20);
        assert_eq!(server.log.count("tlsserver: pid "), 20);
        assert_unharmed(door, &server, &before);
        assert_eq!(children(server.pid()).len(), before.1);
    }
}
