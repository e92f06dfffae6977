//! What an engine says until a client has logged in, and what the login costs.

use std::io::{Read, Write};

use rustls::StreamOwned;

use super::{DOORS, POP3, SUBMISSION, ask, assert_repeats, line, text};
use crate::faults::assert_only_an_alert;
use crate::harness::client::{clear_rest, client, close, handshake, hello, plain, rest};

#[test]
fn who_does_not_log_in_costs_no_process() {
    for door in DOORS {
        let server = door.setup().start();
        let before = server.processes();
        let greeted = plain(&server);
        if door.asked {
            let mut clear = greeted.try_clone().unwrap();
            line(&mut clear);
            // Nobody logs in, or is told how, before TLS.
            let refused = door.refusal("530", "Must start TLS first", "5.7.0");
            assert_eq!(ask(&mut clear, door.login()), refused);
            if door.pop3 {
                line(&mut clear);
            }
            assert_eq!(server.processes(), before);
        }
        let mut tls = door.enter(&server);
        assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
        let refused = door.word(
            "530 authup authentication required (#5.7.1)\r\n",
            "-ERR authup authorization first\r\n",
        );
        // All of them at once: what only resembles a login, and what needs one.
        let resembles = "AUT\r\n AUTH\r\nUSE\r\nXUSER bob\r\nSTAT\r\nMAIL FROM:<a@b>\r\n";
        assert_eq!(ask(&mut tls, resembles), refused);
        for _ in 1..6 {
            assert_eq!(line(&mut tls), refused);
        }
        assert_eq!(server.processes(), before);
        assert_eq!(ask(&mut tls, "quit\n"), door.bye());
        assert_eq!(rest(&mut tls), b"");
        drop((tls, greeted));
        server.idle();
        assert_eq!(server.processes(), before);
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        // Who says no word of TLS where it is expected has a line of its own.
        let without_fault = if door.asked { 2 } else { 1 };
        server.log.wait_for_count("tlsserver: no login from 127.0.0.1", without_fault);
    }
}

#[test]
fn who_logs_in_gets_a_program_that_knows_how_it_was_greeted() {
    for door in DOORS {
        let server = door.setup().start();
        let before = server.processes().len();
        let mut stamps = Vec::new();
        for _ in 0..3 {
            let mut tls = door.enter(&server);
            let said = door.logs_in(&mut tls);
            let stamp = said.strip_prefix("bob ").unwrap();
            let stamp = stamp.strip_suffix(" none TLSv1.3\r\n").expect("a program");
            assert_eq!(server.processes().len(), before + 1);
            assert_repeats(&mut tls);
            close(&mut tls);
            drop(tls);
            server.idle();
            stamps.push(stamp.to_owned());
        }
        if door.pop3 {
            assert!(stamps.iter().all(|stamp| stamp.ends_with("@mail.example.org>")), "{stamps:?}");
            stamps.dedup();
            assert_eq!(stamps.len(), 3);
        }
        server.log.wait_for_count("tlsserver: end ", 3);
        assert_eq!(server.log.count("tlsserver: pid "), 3);
        assert_eq!(server.log.count("no login"), 0, "{:#?}", server.log.lines());
        assert_eq!(server.processes().len(), before);
    }
}

/// As authup's, with the connection's number in its place: one search shows a session.
#[test]
fn the_log_has_a_sessions_lines_under_one_number() {
    for door in DOORS {
        let server = door.setup().start();
        let mut numbers = Vec::new();
        for _ in 0..2 {
            let mut tls = door.enter(&server);
            if !door.pop3 {
                assert_eq!(ask(&mut tls, door.wrong()), door.failed());
            }
            door.logs_in(&mut tls);
            close(&mut tls);
            server.log.wait_for_count("tlsserver: end ", numbers.len() + 1);
            let lines = server.log.lines();
            let mut begun = lines.iter().filter_map(|line| line.strip_prefix("tlsserver: pid "));
            let number = begun.next_back().unwrap().split(' ').next().unwrap().to_owned();
            assert!(number.bytes().all(|digit| digit.is_ascii_digit()), "{number}");
            let mut said: Vec<String> = lines
                .iter()
                .filter(|line| line.split(' ').any(|word| word == number))
                .map(|line| {
                    let words = line.split(' ').map(|word| match word {
                        number if number.parse::<u64>().is_ok_and(|it| it > 1000) => "N",
                        word => word,
                    });
                    words.collect::<Vec<_>>().join(" ")
                })
                .collect();
            // A child's number may be small.
            for line in &mut said {
                if let Some((_, rest)) = line.split_once("checkpassword ") {
                    let (_, rest) = rest.split_once(' ').unwrap();
                    *line = format!("authup N checkpassword N {rest}");
                }
            }
            let negotiated = door.asked.then_some("authup N negotiated TLS".to_owned());
            let refused = [
                "authup N checkpassword N attempt for bob (bob from 127.0.0.1)",
                "authup N checkpassword N failed, 4 remaining (bob from 127.0.0.1)",
            ];
            let good = [
                "authup N checkpassword N attempt for bob (bob from 127.0.0.1)",
                "authup N login succeeded (bob from 127.0.0.1)",
                "authup N checkpassword N succeeded, child completed (bob from 127.0.0.1)",
                "tlsserver: end N status 0",
            ];
            let expected: Vec<String> = ["tlsserver: pid N from 127.0.0.1".to_owned()]
                .into_iter()
                .chain([format!("authup N protocol {}", door.word("smtp", "pop3"))])
                .chain(negotiated)
                .chain(refused.iter().filter(|_| !door.pop3).map(ToString::to_string))
                .chain(good.iter().map(ToString::to_string))
                .collect();
            assert_eq!(said, expected);
            numbers.push(number);
        }
        numbers.dedup();
        assert_eq!(numbers.len(), 2);
    }
}

#[test]
fn a_refused_login_leaves_what_follows_it_to_the_dialog() {
    for door in DOORS {
        let server = door.setup().option("--tries 3").start();
        let mut tls = door.enter(&server);
        let says = format!("{}NOOP\r\n", door.wrong()).repeat(2) + door.wrong() + "NOOP\r\n";
        tls.write_all(says.as_bytes()).unwrap();
        let once = format!("{}{}", door.first(), door.failed());
        let expected = format!("{once}{0}{once}{0}{once}", door.ok());
        assert_eq!(text(rest(&mut tls)), expected);
        for remaining in [2, 1, 0] {
            server.log.wait_for(&[&format!(" failed, {remaining} remaining (bob from 127.0.0.1)")]);
        }
        server.log.wait_for(&["tlsserver: end ", " status 256"]);
        drop(tls);
        server.idle_as_begun();
    }
}

/// Whichever login is the first behind it.
#[test]
fn tls_that_begins_behind_a_refused_login_is_told_to_the_program_and_the_log() {
    for door in [SUBMISSION, POP3] {
        let server = door.setup().variable("UCSPITLS", "").option("--tries 3").start();
        let mut clear = door.greeted(&server);
        let refused = format!("{}{}", door.first(), door.failed());
        clear.write_all(door.wrong().as_bytes()).unwrap();
        assert_eq!(refused.lines().map(|_| line(&mut clear)).collect::<String>(), refused);
        ask(&mut clear, door.starttls());
        let mut tls = handshake(&server, clear).unwrap();
        tls.write_all(door.wrong().as_bytes()).unwrap();
        assert_eq!(refused.lines().map(|_| line(&mut tls)).collect::<String>(), refused);
        let said = door.logs_in(&mut tls);
        assert!(said.ends_with(" none TLSv1.3\r\n"), "{said}");
        server.log.wait_for(&["authup ", " negotiated TLS"]);
        close(&mut tls);
        server.log.wait_for(&["tlsserver: end ", " status 0"]);
        assert_eq!(server.log.count(" negotiated TLS"), 1);
    }
}

#[test]
fn the_program_has_all_that_is_behind_the_login_however_it_comes() {
    for door in DOORS {
        let server = door.setup().start();
        for behind in ["", "NOOP\r\n", &"x".repeat(200_000)] {
            // A command before it, in the same record.
            let mut tls = door.enter(&server);
            tls.write_all(format!("NOOP\r\n{}{behind}", door.login()).as_bytes()).unwrap();
            assert_eq!(line(&mut tls), door.ok());
            door.is_logged_in(&mut tls);
            let mut repeated = vec![0; behind.len()];
            tls.read_exact(&mut repeated).unwrap();
            assert!(repeated == behind.as_bytes(), "{}", repeated.escape_ascii());
        }
        // Each octet in a record of its own; a line that is none first.
        let mut tls = door.enter(&server);
        for octet in format!("A\r\nNOOP\n{}", door.login()).bytes() {
            tls.write_all(&[octet]).unwrap();
            tls.flush().unwrap();
        }
        line(&mut tls);
        assert_eq!(line(&mut tls), door.ok());
        door.is_logged_in(&mut tls);
        assert_repeats(&mut tls);
    }
}

/// CVE-2011-0411 and its kin.
#[test]
fn what_is_said_in_the_clear_behind_starttls_is_no_command_inside() {
    for door in [SUBMISSION, POP3] {
        let server = door.setup().start();
        for injected in [&b"NOOP\r\n"[..], door.login().as_bytes(), b"\r\n", b"N", &[b'x'; 70_000]]
        {
            let failures = server.log.count("handshake failed");
            let injected_by_another = |behind: &[u8]| {
                let mut socket = door.greeted(&server);
                // It may be gone before it has all.
                let says = [door.starttls().as_bytes(), injected, behind].concat();
                let _ = socket.write_all(&says);
                line(&mut socket);
                socket
            };
            for behind in [Vec::new(), hello(&server)] {
                let socket = injected_by_another(&behind);
                let _ = socket.shutdown(std::net::Shutdown::Write);
                assert_only_an_alert(&clear_rest(socket));
            }
            // The client itself does all right, and must not get the answer.
            let socket = injected_by_another(b"");
            assert!(handshake(&server, socket).is_err());
            server.log.wait_for_count("handshake failed", failures + 3);
        }
        server.idle();
        assert_eq!(server.log.count("tlsserver: pid "), 0);
    }
}

#[test]
fn a_hello_in_one_piece_with_starttls_is_one() {
    for door in [SUBMISSION, POP3] {
        let server = door.setup().start();
        let mut socket = door.greeted(&server);
        let mut client = client(&server);
        let mut says = format!("NOOP\r\n{}", door.starttls()).into_bytes();
        client.write_tls(&mut says).unwrap();
        socket.write_all(&says).unwrap();
        assert_eq!(line(&mut socket), door.ok());
        line(&mut socket);
        let mut tls = StreamOwned::new(client, socket);
        assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
        // What was said in the clear counts for nothing, and there is no second time.
        let refused = door.word("502 unimplemented (#5.5.1)\r\n", "-ERR STLS not available\r\n");
        assert_eq!(ask(&mut tls, door.starttls()), refused);
        door.logs_in(&mut tls);
        assert_repeats(&mut tls);
    }
}

#[test]
fn overlong_lines_and_odd_octets_begin_no_login() {
    for door in DOORS {
        let server = door.setup().start();
        let mut tls = door.enter(&server);
        let too_long = door.refusal("500", "line too long", "5.5.2");
        let login = door.word("AUTH PLAIN AGJvYgBw", "USER bob");
        for length in [4097, 4096 + 4092, 12_289, 65_536, 300_000] {
            let long = format!("{}{login}\r\n", "x".repeat(length));
            assert_eq!(ask(&mut tls, &long), too_long);
            let long = format!("NOOP {}{login}\r\n", login.repeat(length / 8));
            assert_eq!(ask(&mut tls, &long), too_long);
        }
        let refused = door.word(
            "530 authup authentication required (#5.7.1)\r\n",
            "-ERR authup authorization first\r\n",
        );
        for odd in ["\0", "\0AUTH PLAIN x", "AU\0TH", "US\0ER", "\r", "\u{1b}[2J", "\x7f\u{fc}"] {
            assert_eq!(ask(&mut tls, &format!("{odd}\r\n")), refused, "{odd:?}");
        }
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
        door.logs_in(&mut tls);
    }
}

#[test]
fn capabilities_are_those_of_the_control_files() {
    for (door, clear, secured) in [
        (
            SUBMISSION,
            "250-mail.example.org\r\n250-STARTTLS\r\n250-8BITMIME\r\n250 PIPELINING\r\n",
            "250-mail.example.org\r\n250-AUTH LOGIN PLAIN\r\n250-AUTH=LOGIN PLAIN\r\n\
             250-8BITMIME\r\n250 PIPELINING\r\n",
        ),
        (
            POP3,
            "+OK capability list follows\r\nSTLS\r\nUIDL\r\nTOP\r\n.\r\n",
            "+OK capability list follows\r\nUSER\r\nSASL PLAIN LOGIN\r\nUIDL\r\nTOP\r\n.\r\n",
        ),
    ] {
        let server = door.setup().variable("AUTHUP_SASL_BROKEN_CLIENTS", "").start();
        let asks = door.word("EHLO x\r\nQUIT\r\n", "CAPA\r\nQUIT\r\n");
        let mut socket = door.greeted(&server);
        socket.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(clear_rest(socket)), format!("{clear}{}", door.bye()));
        let mut tls = door.enter(&server);
        tls.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(rest(&mut tls)), format!("{secured}{}", door.bye()));
    }
}
