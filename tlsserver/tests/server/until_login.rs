//! `--until-login`: an engine talks to clients, and only one that wants to log in gets a
//! program. Here what it says and where it ends; what goes wrong is in [`faults`] and
//! [`inside`], how it is run in [`running`], who makes room in [`room`], whom it leaves to
//! the program in [`from_the_start`]. With authup itself behind it:
//! `acceptance/tests/chains`.

mod faults;
mod from_the_start;
mod inside;
mod room;
mod running;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::faults::assert_only_an_alert;
use crate::harness::client::{Tls, clear_rest, config, finish_sending, hello, plain, rest, secure};
use crate::harness::processes::children;
use crate::harness::{Server, Setup};

/// Stands for authup: says what of its environment matters, then repeats what it reads.
const PROGRAM: &[&str] = &[
    "bash",
    "--norc",
    "-c",
    r#"printf '%s %s %s\r\n' "${AUTHUP_GREETED-none}" "${RELAYCLIENT-none}" "$SSL_PROTOCOL"
       exec cat"#,
];

/// A way in: the protocol, and whether TLS begins once the client asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Door {
    pop3: bool,
    asked: bool,
}

const SUBMISSION: Door = Door { pop3: false, asked: true };
const SUBMISSIONS: Door = Door { pop3: false, asked: false };
const POP3: Door = Door { pop3: true, asked: true };
const POP3S: Door = Door { pop3: true, asked: false };
const DOORS: [Door; 4] = [SUBMISSION, SUBMISSIONS, POP3, POP3S];

impl Door {
    /// A server with control files of its own.
    fn with(self, program: &[&str]) -> Setup {
        let setup = Setup::new(program);
        let home = setup.directory.path().to_str().unwrap().to_owned();
        fs::create_dir(setup.file("control")).unwrap();
        for (name, text) in [
            ("me", "mail.example.org\n"),
            ("smtpcapabilities", "8BITMIME\nPIPELINING\n"),
            ("pop3capabilities", "UIDL\nTOP\n"),
        ] {
            fs::write(setup.file("control").join(name), text).unwrap();
        }
        let face = if self.pop3 { "pop3" } else { "smtp" };
        let setup =
            setup.variable("QMAILHOME", home).option("--until-login").option(face).option("-v");
        if self.asked { setup.option("-n").variable("UCSPITLS", "!") } else { setup }
    }

    fn setup(self) -> Setup {
        self.with(PROGRAM)
    }

    /// SMTP's word, or POP3's.
    const fn word(self, smtp: &'static str, pop3: &'static str) -> &'static str {
        if self.pop3 { pop3 } else { smtp }
    }

    const fn starttls(self) -> &'static str {
        self.word("STARTTLS\r\n", "STLS\r\n")
    }

    const fn ok(self) -> &'static str {
        self.word("250 ok\r\n", "+OK \r\n")
    }

    const fn login(self) -> &'static str {
        self.word("AUTH PLAIN AGJvYgBw\r\n", "USER bob\r\n")
    }

    const fn bye(self) -> &'static str {
        self.word("221 mail.example.org\r\n", "+OK \r\n")
    }

    /// A refusal as authup says it.
    fn refusal(self, code: &str, text: &str, enhanced: &str) -> String {
        if self.pop3 {
            format!("-ERR authup {text}\r\n")
        } else {
            format!("{code} authup {text} (#{enhanced})\r\n")
        }
    }

    fn ended(self) -> String {
        self.refusal("454", "unable to read pipe", "4.3.0")
    }

    fn timeout(self) -> String {
        self.refusal("451", "timeout", "4.4.2")
    }

    /// A client up to where it could log in, and how it was greeted.
    fn enter(self, server: &Server) -> (Tls, String) {
        let mut socket = plain(server);
        let greeting = if self.asked { line(&mut socket) } else { String::new() };
        if self.asked {
            let answer = ask(&mut socket, self.starttls());
            assert!(answer.starts_with(self.word("220 Ready", "+OK starting")), "{answer}");
        }
        let mut tls = secure(socket, Arc::new(config(server)), "localhost").unwrap();
        let greeting = if self.asked { greeting } else { line(&mut tls) };
        let expected = self.word("220 mail.example.org ESMTP\r\n", "+OK mail.example.org\r\n");
        assert_eq!(greeting, expected);
        (tls, greeting)
    }

    /// A whole session with a login.
    fn log_in(self, server: &Server) {
        let (mut tls, _) = self.enter(server);
        ask(&mut tls, self.login());
        assert_eq!(line(&mut tls), self.login());
        assert_repeats(&mut tls);
        finish_sending(&mut tls);
        assert_eq!(rest(&mut tls), b"");
    }
}

/// One line, and no octet of what follows.
fn line(client: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\n") {
        client.read_exact(&mut octet).unwrap_or_else(|reason| panic!("{reason} after {line:?}"));
        line.push(octet[0]);
    }
    String::from_utf8(line).unwrap()
}

/// The first line of the answer.
fn ask<S: Read + Write>(client: &mut S, says: &str) -> String {
    client.write_all(says.as_bytes()).unwrap();
    line(client)
}

/// Fails unless the client has a program that repeats what it says, to the octet.
fn assert_repeats(tls: &mut Tls) {
    let odd: Vec<u8> = (0..=255).chain(*b"AUTH PLAIN\r\n.\r\nQUIT\r\n").collect();
    tls.write_all(&odd).unwrap();
    let mut again = vec![0; odd.len()];
    tls.read_exact(&mut again).unwrap();
    assert_eq!(again, odd);
}

/// A server with clients that are held in the clear and inside TLS, and one that has
/// logged in.
pub(crate) fn server_with_clients() -> (Server, Vec<Tls>, TcpStream) {
    let server = SUBMISSION.setup().start();
    let mut secured = vec![SUBMISSION.enter(&server).0, SUBMISSION.enter(&server).0];
    ask(&mut secured[0], SUBMISSION.login());
    let mut clear = plain(&server);
    line(&mut clear);
    (server, secured, clear)
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

#[test]
fn who_does_not_log_in_costs_no_process() {
    for door in DOORS {
        let server = door.setup().start();
        let before = children(server.pid());
        let greeted = plain(&server);
        if door.asked {
            let mut clear = greeted.try_clone().unwrap();
            line(&mut clear);
            // Nobody logs in, or is told how, before TLS.
            let refused = door.refusal("530", "Must start TLS first", "5.7.0");
            assert_eq!(ask(&mut clear, door.login()), refused);
            assert_eq!(children(server.pid()), before);
        }
        let (mut tls, _) = door.enter(&server);
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
        assert_eq!(children(server.pid()), before);
        assert_eq!(ask(&mut tls, "quit\n"), door.bye());
        assert_eq!(rest(&mut tls), b"");
        drop((tls, greeted));
        server.idle();
        assert_eq!(children(server.pid()), before);
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        server.log.wait_for_count("tlsserver: no login from 127.0.0.1", 2);
    }
}

#[test]
fn who_logs_in_gets_a_program_that_knows_how_it_was_greeted() {
    for door in DOORS {
        let server = door.setup().start();
        let before = children(server.pid()).len();
        let mut stamps = Vec::new();
        for _ in 0..3 {
            let (mut tls, _) = door.enter(&server);
            let said = ask(&mut tls, door.login());
            let stamp = said.strip_suffix(" none TLSv1.3\r\n").expect("a program");
            assert_eq!(line(&mut tls), door.login());
            assert_eq!(children(server.pid()).len(), before + 1);
            assert_repeats(&mut tls);
            finish_sending(&mut tls);
            assert_eq!(rest(&mut tls), b"");
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
        assert_eq!(children(server.pid()).len(), before);
    }
}

#[test]
fn the_program_has_the_login_and_all_behind_it_however_it_comes() {
    for door in DOORS {
        let server = door.setup().start();
        let login = door.login();
        let much = format!("{login}{}", "x".repeat(200_000));
        for says in [login, &login.to_lowercase(), &login[..4], &format!("{login}NOOP\r\n"), &much]
        {
            // A command before it, in the same record.
            let (mut tls, _) = door.enter(&server);
            tls.write_all(format!("NOOP\r\n{says}").as_bytes()).unwrap();
            assert_eq!(line(&mut tls), door.ok());
            assert!(line(&mut tls).ends_with(" none TLSv1.3\r\n"));
            let mut repeated = vec![0; says.len()];
            tls.read_exact(&mut repeated).unwrap();
            assert!(repeated == says.as_bytes(), "{}", repeated.escape_ascii());
        }
        // Each octet in a record of its own; a line that is none first.
        let (mut tls, _) = door.enter(&server);
        for octet in format!("A\r\nNOOP\n{login}").bytes() {
            tls.write_all(&[octet]).unwrap();
            tls.flush().unwrap();
        }
        line(&mut tls);
        assert_eq!(line(&mut tls), door.ok());
        line(&mut tls);
        assert_eq!(line(&mut tls), login);
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
                let mut socket = plain(&server);
                line(&mut socket);
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
            assert!(secure(socket, Arc::new(config(&server)), "localhost").is_err());
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
        let mut socket = plain(&server);
        line(&mut socket);
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(config(&server)), name).unwrap();
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
        ask(&mut tls, door.login());
        assert_eq!(line(&mut tls), door.login());
        assert_repeats(&mut tls);
    }
}

#[test]
fn overlong_lines_and_odd_octets_begin_no_login() {
    for door in DOORS {
        let server = door.setup().start();
        let (mut tls, _) = door.enter(&server);
        let too_long = door.refusal("500", "line too long", "5.5.2");
        let login = door.login();
        for length in [4097, 4096 + 4092, 12_289, 65_536, 300_000] {
            let long = format!("{}{login}", "x".repeat(length));
            assert_eq!(ask(&mut tls, &long), too_long);
            let long = format!("NOOP {}{login}", login.trim_end().repeat(length / 8));
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
        ask(&mut tls, login);
        assert_eq!(line(&mut tls), login);
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
        let mut socket = plain(&server);
        line(&mut socket);
        socket.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(clear_rest(socket)), format!("{clear}{}", door.bye()));
        let (mut tls, _) = door.enter(&server);
        tls.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(rest(&mut tls)), format!("{secured}{}", door.bye()));
    }
}
