//! Running it: limits, rules of a load balancer, signals, control files, what is said at
//! the start, and the clients that everybody has.

use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use test_support::needs;
use test_support::needs::is_there_or_skip;
use test_support::process::assert_powerless;
use test_support::run::hand_over;

use super::ending::wait_until_ready;
use super::{DOORS, POP3, POP3S, SUBMISSION, SUBMISSIONS, ask, assert_repeats, line, text};
use crate::harness::Setup;
use crate::harness::client::{clear_rest, handshake, plain, rest};
use crate::harness::processes::status;

/// A login program that becomes somebody else than root.
const BECOMES_SOMEBODY: &[&str] = login_program!(
    r#"[ "$password" = p ] || exit 1"#,
    r#"printf '%s is in\r\n' "$user"
       exec setpriv --reuid=4713 --regid=4714 --clear-groups cat"#
);

#[test]
fn the_log_has_a_line_for_who_does_not_log_in() {
    let server = SUBMISSION.setup().start();
    let mut tls = SUBMISSION.enter(&server);
    assert_eq!(ask(&mut tls, "QUIT\r\n"), SUBMISSION.bye());
    assert_eq!(rest(&mut tls), b"");
    drop(tls);
    server.log.wait_for_count("status: 0/40", 2);
    let lines = ["status: 0/40", "status: 1/40", "no login from 127.0.0.1", "status: 0/40"];
    assert_eq!(server.log.lines(), lines.map(|line| format!("tlsserver: {line}")));
}

/// As from a unit with NoNewPrivileges=yes, or in a container: what the listener starts has
/// no more than the listener could take, and still all of it becomes who it is to be.
#[test]
fn with_no_new_privileges_logins_reloads_and_restarts_go_on() {
    needs!("root");
    for door in [SUBMISSION, POP3S] {
        let setup = door.with(BECOMES_SOMEBODY);
        let command = setup.command();
        let mut bounded = Command::new("setpriv");
        bounded.arg("--no-new-privs").env_clear();
        hand_over(&mut bounded, &command);
        let server = setup.start_as(bounded);
        let all = status(std::process::id(), "CapPrm");
        // DAC_READ_SEARCH, KILL, SYS_RESOURCE.
        let few = u64::from_str_radix(&all, 16).unwrap() & (1 << 2 | 1 << 5 | 1 << 24);
        assert_eq!(status(server.pid(), "CapEff"), format!("{few:016x}"));
        assert_eq!(status(server.monitor(), "CapEff"), all);
        for pid in [server.engines(), vec![server.keyholder()]].concat() {
            assert_powerless(pid, 4711, 4712);
        }
        door.log_in(&server);
        server.reload();
        door.log_in(&server);
        let victim = server.monitor();
        server.loses("monitor", victim);
        wait_until_ready(door, &server, victim);
        door.log_in(&server);
    }
}

#[test]
fn held_clients_count() {
    for door in DOORS {
        let server = door.setup().option("-c 2").start();
        let first = door.enter(&server);
        let _second = plain(&server);
        server.log.wait_for(&["status: 2/2"]);
        let waiting = plain(&server);
        drop(first);
        let mut waiting = waiting;
        if door.asked {
            line(&mut waiting);
        } else {
            handshake(&server, waiting).unwrap();
        }
        assert_eq!(server.log.count("status: 3/2"), 0);

        let server = door.setup().option("-C 2").start();
        let first = door.enter(&server);
        let _second = door.enter(&server);
        assert_eq!(clear_rest(plain(&server)), b"");
        server.log.wait_for(&["deny from 127.0.0.1: too many connections from this address"]);
        drop(first);
        server.wait_for_status("one less", |line| line.contains("status: 1/40"));
        door.enter(&server);
    }
}

#[test]
fn behind_a_load_balancer_the_client_is_the_client() {
    for door in DOORS {
        let server = door.setup().option("--proxy-protocol -C 1").start();
        for client in ["192.0.2.7", "192.0.2.8"] {
            let mut socket = plain(&server);
            let header = format!("PROXY TCP4 {client} 192.0.2.1 4321 587\r\n");
            // What comes in one piece with the header is the client's.
            let says = if door.asked { format!("{header}{}", door.starttls()) } else { header };
            socket.write_all(says.as_bytes()).unwrap();
            if door.asked {
                line(&mut socket);
                line(&mut socket);
            }
            let mut tls = handshake(&server, socket).unwrap();
            if !door.asked {
                line(&mut tls);
            }
            assert_eq!(ask(&mut tls, "NOOP\r\n"), door.ok());
            if client == "192.0.2.7" {
                door.logs_in(&mut tls);
                server.log.wait_for(&["tlsserver: pid ", " from 192.0.2.7"]);
            } else {
                assert_eq!(ask(&mut tls, "QUIT\r\n"), door.bye());
                drop(tls);
                server.log.wait_for(&["tlsserver: no login from 192.0.2.8"]);
            }
        }
        server.idle_as_begun();
    }
}

#[test]
fn new_control_files_are_for_new_clients() {
    for door in DOORS {
        let server = door.setup().start();
        let mut stays = door.enter(&server);
        let mut logs_in = door.enter(&server);
        fs::write(server.file("control/me"), "new.example.org\n").unwrap();
        server.reload();

        let greeting = {
            let mut new = plain(&server);
            if door.asked { line(&mut new) } else { line(&mut handshake(&server, new).unwrap()) }
        };
        assert!(greeting.contains("new.example.org"), "{greeting}");
        assert_eq!(ask(&mut stays, "QUIT\r\n"), door.bye());
        // An old engine's client gets its program, too, with the timestamp that was its own.
        let said = door.logs_in(&mut logs_in);
        let stamp = said.strip_suffix(" none TLSv1.3\r\n").unwrap();
        assert_eq!(stamp.ends_with("@mail.example.org>"), door.pop3, "{said}");
        assert_repeats(&mut logs_in);
        drop((stays, logs_in));
        server.idle_as_begun();
    }
}

#[test]
fn bad_control_files_change_nothing_but_the_log() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().start();
        let mut old = door.enter(&server);
        let capabilities =
            server.file(door.word("control/smtpcapabilities", "control/pop3capabilities"));
        let good = fs::read(&capabilities).unwrap();
        for (make, why) in [
            (
                Box::new(|| fs::remove_file(&capabilities)) as Box<dyn Fn() -> std::io::Result<()>>,
                "capabilities: No such file or directory; keeping the previous ones",
            ),
            (
                Box::new(|| fs::create_dir(&capabilities)),
                "capabilities: Is a directory; keeping the previous ones",
            ),
            (
                Box::new(|| {
                    fs::remove_dir(&capabilities)?;
                    fs::write(&capabilities, "CAPABILITY\n".repeat(20_000))
                }),
                "capabilities: too large (limit 128 KiB); keeping the previous ones",
            ),
        ] {
            make().unwrap();
            server.signal(Signal::HUP);
            server.log.wait_for(&["control/", why]);
            assert_eq!(ask(&mut old, "NOOP\r\n"), door.ok());
            door.enter(&server);
        }
        assert_eq!(server.log.count("reloaded"), 0);
        fs::write(&capabilities, good).unwrap();
        server.reload();
        assert_eq!(ask(&mut door.enter(&server), "NOOP\r\n"), door.ok());
        drop(old);
        server.idle_as_begun();
    }
}

#[test]
fn very_many_capabilities_are_said_however_often_they_are_asked_for() {
    for door in [SUBMISSIONS, POP3] {
        let setup = door.setup();
        let many = (0..5000).map(|at| format!("X-CAPABILITY-{at}\n")).collect::<String>();
        fs::write(setup.file("control/smtpcapabilities"), &many).unwrap();
        fs::write(setup.file("control/pop3capabilities"), &many).unwrap();
        let server = setup.start();
        let mut tls = door.enter(&server);
        tls.write_all(
            format!("{}QUIT\r\n", door.word("EHLO x\r\n", "CAPA\r\n").repeat(50)).as_bytes(),
        )
        .unwrap();
        let said = text(rest(&mut tls));
        for capability in ["X-CAPABILITY-0\r\n", "X-CAPABILITY-4999\r\n"] {
            assert_eq!(said.matches(capability).count(), 50);
        }
        assert!(said.ends_with(door.bye()));
    }
}

#[test]
fn what_prevents_a_start_is_said_in_one_line() {
    for door in DOORS {
        let without = |file: &str| {
            let setup = door.setup();
            fs::remove_file(setup.file("control").join(file)).unwrap();
            (setup, format!("control/{file}: No such file or directory\n"))
        };
        let capabilities = door.word("smtpcapabilities", "pop3capabilities");
        for (setup, complaint) in [without("me"), without(capabilities)] {
            let (code, said) = setup.fails();
            assert_eq!(code, Some(111), "{said}");
            assert!(said.starts_with("tlsserver: ") && said.ends_with(&complaint), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        // A greeting of its own makes up for `me`; the other protocol's files are not needed.
        let setup = door.setup();
        fs::remove_file(setup.file("control/me")).unwrap();
        fs::remove_file(
            setup.file("control").join(door.word("pop3capabilities", "smtpcapabilities")),
        )
        .unwrap();
        let greeting = door.word("control/smtpgreeting", "control/pop3greeting");
        fs::write(setup.file(greeting), "mail.example.org\n").unwrap();
        door.enter(&setup.start());
    }
    let setup = SUBMISSIONS.setup().option("--login").option("imap");
    fs::write(setup.file("control/imapcapabilities"), "\u{e9}\n").unwrap();
    let (_, said) = setup.fails();
    assert!(said.ends_with("control/imapcapabilities: \\xc3\\xa9: not a capability\n"), "{said}");
    let missing = SUBMISSION.with(&["no-such-program"]);
    let (code, said) = missing.fails();
    assert_eq!((code, &*said), (Some(111), "tlsserver: unable to find no-such-program\n"));
    for wrong in ["--login nntp", "--login", "--login= ", "--checks 0", "--linger -1"] {
        let (code, said) = Setup::new(&["true"]).option(wrong).fails();
        assert_eq!(code, Some(100), "{said}");
        assert!(said.contains("usage: tlsserver"), "{said}");
    }
}

#[test]
fn openssl_and_gnutls_get_log_in() {
    for door in DOORS {
        let server = door.with(&["sh", "-c", "echo 235 got $AUTHUP_USER"]).start();
        let before = server.processes().len();
        for (program, command, asks) in [
            (
                "openssl",
                "openssl s_client -connect localhost:PORT -CAfile CERT -verify_return_error -quiet",
                ["-starttls smtp", "-starttls pop3"],
            ),
            (
                "gnutls-cli",
                "gnutls-cli --x509cafile=CERT -p PORT localhost",
                ["--starttls-proto=smtp", "--starttls-proto=pop3"],
            ),
        ] {
            if !is_there_or_skip(program) {
                continue;
            }
            let asks = if door.asked { asks[usize::from(door.pop3)] } else { "" };
            let command = format!("{command} {asks}");
            let said = server.succeeds(&command, &format!("NOOP\r\n{}", door.login()));
            assert!(said.contains("235 got bob"), "{said}");
            assert!(said.contains(door.ok()), "{said}");
        }
        server.idle();
        assert_eq!(server.processes().len(), before);
    }
}

#[test]
fn many_clients_are_held_at_once() {
    const MANY: usize = 300;
    let server = SUBMISSION.setup().option(&format!("-c {MANY}")).start();
    let mut clear: Vec<TcpStream> = (0..MANY).map(|_| plain(&server)).collect();
    for socket in &mut clear {
        assert!(line(socket).starts_with("220 "));
    }
    assert_eq!(server.processes().len(), server.began_with.1);
    for socket in &mut clear {
        socket.write_all(b"NOOP\r\nQUIT\r\n").unwrap();
    }
    for mut socket in clear {
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert_eq!(said, format!("{}{}", SUBMISSION.ok(), SUBMISSION.bye()));
    }
    server.log.wait_for_count("no login from 127.0.0.1", MANY);
    server.idle_as_begun();
}
