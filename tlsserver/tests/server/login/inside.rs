//! What goes wrong inside the server while an engine talks to clients: programs, engines,
//! the keyholder, descriptors. Both sides are told, and others go on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use test_support::folder::write_program;
use test_support::needs;
use test_support::talking::Talking;

use super::faults::assert_unharmed;
use super::{DOORS, Door, POP3, POP3S, SUBMISSION, ask, assert_repeats, line, text};
use crate::harness::Server;
use crate::harness::client::{Tls, clear_rest, handshake, plain, rest};
use crate::harness::processes::{descriptors, kill};

/// A server whose program can be taken away while it runs: it lies in the home.
fn with_script(door: Door, script: &str) -> Server {
    let setup = door.with(&["./program"]);
    write_program(&setup.file("program"), script);
    setup.start()
}

/// Before a login and behind it, as [`crate::clients`] has it without one.
#[test]
fn who_asks_for_renegotiation_hears_of_none() {
    needs!("openssl");
    for says in ["", "USER bob\nPASS p\n"] {
        let server = POP3S.setup().start();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-tls1_2", "-msg", "-connect"]);
        openssl.arg(format!("localhost:{}", server.port)).stderr(Stdio::null());
        let mut openssl = Talking::start(&mut openssl);
        if !says.is_empty() {
            openssl.say(says);
            openssl.up_to("bob ");
        }
        openssl.say("R\n");
        openssl.up_to("no_renegotiation");
    }
}

#[test]
fn a_program_that_cannot_be_run_any_more_is_said_to_both_sides() {
    for door in DOORS {
        let server = with_script(door, "#!/bin/cat\n");
        fs::remove_file(server.file("program")).unwrap();
        for says in [door.login().to_owned(), format!("{}{}", door.login(), "x".repeat(50_000))] {
            let mut tls = door.enter(&server);
            tls.write_all(format!("NOOP\r\n{says}").as_bytes()).unwrap();
            let refused = door.refusal("454", "unable to fork", "4.3.0");
            let expected = format!("{}{}{refused}", door.ok(), door.first());
            assert_eq!(text(rest(&mut tls)), expected);
        }
        server.log.wait_for_count("unable to fork: ./program: No such file or directory", 2);
        server.idle();
        assert_eq!(server.log.count("no login"), 0, "{:#?}", server.log.lines());
        server.wait_until_held_as_begun();
        write_program(&server.file("program"), "#!/bin/sh\necho back\n");
        let mut tls = door.says_login(&server);
        assert_eq!(text(rest(&mut tls)), format!("{}back\n", door.first()));
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
    let mut clear: Vec<TcpStream> = (0..2).map(|_| plain(&server)).collect();
    clear.iter_mut().for_each(|socket| assert!(line(socket).starts_with("220 ")));
    let mut secured: Vec<Tls> = (0..2).map(|_| SUBMISSION.enter(&server)).collect();
    let mut with_programs: Vec<Tls> = (0..2).map(|_| SUBMISSION.enter(&server)).collect();
    for tls in &mut with_programs {
        SUBMISSION.logs_in(tls);
    }
    // They alternate between the engines, so each has one of each kind.
    let victim = server.engines()[0];
    server.loses("engine", victim);
    server.log.wait_for_count("its engine died", 3);
    assert_eq!([alive(&mut clear), alive(&mut secured), alive(&mut with_programs)], [1; 3]);
    drop((clear, secured, with_programs));
    assert_unharmed(SUBMISSION, &server);
}

#[test]
fn a_killed_keyholder_costs_those_in_the_clear_their_handshake_and_no_more() {
    for door in [SUBMISSION, POP3] {
        let server = door.setup().start();
        let mut late = door.greeted(&server);
        let mut tls = door.enter(&server);
        let victim = server.keyholder();
        server.loses("keyholder", victim);
        server.log.wait_for(&["certificates reloaded"]);
        // The engine that has it goes on, and gets a program for it.
        assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
        door.logs_in(&mut tls);
        assert_repeats(&mut tls);
        assert_eq!(ask(&mut late, "NOOP\r\n"), door.ok());
        ask(&mut late, door.starttls());
        assert!(handshake(&server, late).is_err());
        server.log.wait_for(&["handshake failed: ", "keyholder: "]);
        drop(tls);
        assert_unharmed(door, &server);
    }
}

/// The control files can be bad just when they are needed again.
#[test]
fn a_keyholder_that_dies_while_a_control_file_is_bad_is_replaced() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().start();
        fs::remove_file(server.file("control/me")).unwrap();
        kill(server.keyholder());
        server.log.wait_for(&["control/me: No such file or directory; keeping the previous ones"]);
        server.log.wait_for(&["certificates reloaded"]);
        assert_unharmed(door, &server);
    }
}

/// Between a keyholder's death and the next there is no engine for a new connection: one
/// whose PROXY header comes just then must not get a program that it may not have.
#[test]
fn without_an_engine_nobody_gets_a_program() {
    for door in DOORS {
        let server = door.setup().option("--proxy-protocol").start();
        let mut socket = plain(&server);
        let mut wrong = plain(&server);
        // Their headers are waited for when this one has been served.
        let mut other = plain(&server);
        other.write_all(b"PROXY UNKNOWN\r\nQUIT\r\n").unwrap();
        clear_rest(other);
        server.log.wait_for_count(": status: 0/40", 2);
        // There will be no next one for now.
        fs::rename(server.file("server.cert"), server.file("away")).unwrap();
        kill(server.keyholder());
        server.log.wait_for(&["server.cert: No such file"]);
        socket.write_all(b"PROXY UNKNOWN\r\nNOOP\r\n").unwrap();
        wrong.write_all(b"NOOP\r\n").unwrap();
        // The header before it has been read by then.
        server.log.wait_for(&["deny from 127.0.0.1: PROXY: not a header"]);
        assert_eq!(server.log.count(": status: 1/40"), 1);
        fs::rename(server.file("away"), server.file("server.cert")).unwrap();
        server.reload();
        server.log.wait_for_count(": status: 1/40", 2);
        drop(socket);
        server.idle_as_begun();
        assert_eq!(server.log.count("tlsserver: pid "), 0, "{:#?}", server.log.lines());
    }
}

#[test]
fn exhausted_descriptors_of_an_engine_are_said_to_both_sides() {
    let own = descriptors(SUBMISSION.setup().start().pid());
    for door in [SUBMISSION, POP3] {
        let server = door.setup().option("--engines 1 -c 100").start_limited(own + 16);
        let mut secured: Vec<Tls> = (0..3).map(|_| door.enter(&server)).collect();
        // A client that is held costs an engine one descriptor; to log in, one more.
        let mut held = Vec::new();
        loop {
            let mut socket = plain(&server);
            if socket.read(&mut [0]).unwrap() == 0 {
                break;
            }
            held.push(socket);
        }
        server.log.wait_for(&["tls from 127.0.0.1: the engine has no descriptors left"]);
        // There is no room for a stream, and then there is.
        let mut tls = secured.pop().unwrap();
        tls.write_all(door.login().as_bytes()).unwrap();
        let refused = door.refusal("454", "unable to open pipe", "4.3.0");
        assert_eq!(text(rest(&mut tls)), format!("{}{refused}", door.first()));
        drop(tls);
        let status = format!("status: {}/100", held.len() + 2);
        server.wait_for_status(&status, |line| line.ends_with(&status));
        let mut tls = secured.pop().unwrap();
        door.logs_in(&mut tls);
        assert_eq!(alive(std::slice::from_mut(&mut tls)), 1);
        drop(secured);
        drop((tls, held));
        assert_unharmed(door, &server);
    }
}
