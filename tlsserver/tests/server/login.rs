//! `--login`: an engine talks to clients until they have logged in, and only a login costs
//! a program. Here what it says; what goes wrong is in [`faults`] and [`inside`], how it is
//! run in [`running`], who makes room in [`room`], what the rules change in [`rules`], how
//! the server ends in [`ending`], what control files say of logins in [`controls`], what a
//! login program may do in [`programs`], what it writes to its log in [`words`], what the log
//! says of who guesses in [`guessing`], and what is so where something hangs in [`hanging`]. With
//! real login programs behind it: `acceptance/tests/chains`.

mod controls;
mod ending;
mod faults;
mod guessing;
mod hanging;
mod inside;
mod programs;
mod room;
mod rules;
mod running;
mod words;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::faults::assert_only_an_alert;
use crate::harness::client::{
    Tls, clear_rest, config, finish_sending, handshake, hello, plain, rest,
};
use crate::harness::{Server, Setup};

/// Stands for a login program and the mail program behind it: takes one password, says what
/// of its environment matters, then repeats what it reads.
const PROGRAM: &[&str] = &[
    "bash",
    "--norc",
    "-c",
    r#"for part in user password stamp; do IFS= read -r -d '' "$part" <&3; done
       exec 3<&-
       [ "$password" = p ] || exit 1
       printf x >&"$AUTHUPREADYFD"
       eval "exec $AUTHUPREADYFD>&-"
       printf '%s %s %s %s\r\n' "$user" "$stamp" "${RELAYCLIENT-none}" "${SSL_PROTOCOL-none}"
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
        let setup = setup.variable("QMAILHOME", home).option("--login").option(face).option("-v");
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
        self.word("AUTH PLAIN AGJvYgBw\r\n", "USER bob\r\nPASS p\r\n")
    }

    const fn wrong(self) -> &'static str {
        self.word("AUTH PLAIN AGJvYgB4\r\n", "USER bob\r\nPASS x\r\n")
    }

    /// What is said to a login before there is an answer.
    const fn first(self) -> &'static str {
        self.word("", "+OK \r\n")
    }

    /// Has the client log in; what the program says first.
    fn logs_in<S: Read + Write>(self, client: &mut S) -> String {
        client.write_all(self.login().as_bytes()).unwrap();
        self.is_logged_in(client)
    }

    /// The same of a client that has said so already.
    fn is_logged_in(self, client: &mut impl Read) -> String {
        if self.pop3 {
            assert_eq!(line(client), "+OK \r\n");
        }
        let said = line(client);
        assert!(said.starts_with("bob "), "{said}");
        said
    }

    fn failed(self) -> String {
        let refusal = self.refusal("535", "authorization failed", "5.7.0");
        refusal.replace("-ERR authup", "-ERR [AUTH] authup")
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
        self.enter_as(server, "mail.example.org")
    }

    /// The same where the server is called so.
    fn enter_as(self, server: &Server, host: &str) -> (Tls, String) {
        let mut socket = plain(server);
        let greeting = if self.asked { line(&mut socket) } else { String::new() };
        if self.asked {
            let answer = ask(&mut socket, self.starttls());
            assert!(answer.starts_with(self.word("220 Ready", "+OK starting")), "{answer}");
        }
        let mut tls = handshake(server, socket).unwrap();
        let greeting = if self.asked { greeting } else { line(&mut tls) };
        let [before, behind] = if self.pop3 { ["+OK ", ""] } else { ["220 ", " ESMTP"] };
        assert_eq!(greeting, format!("{before}{host}{behind}\r\n"));
        (tls, greeting)
    }

    /// A client whose handshake is done but for what it has to say last, which goes out with
    /// whatever is read or written next.
    fn all_but_secure(self, server: &Server) -> Tls {
        let mut socket = plain(server);
        if self.asked {
            line(&mut socket);
            ask(&mut socket, self.starttls());
        }
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config(server)), name).unwrap();
        let mut tls = StreamOwned::new(client, socket);
        tls.conn.write_tls(&mut tls.sock).unwrap();
        while tls.conn.is_handshaking() {
            tls.conn.read_tls(&mut tls.sock).unwrap();
            tls.conn.process_new_packets().unwrap();
        }
        assert!(tls.conn.wants_write());
        tls
    }

    /// A whole session with a login.
    fn log_in(self, server: &Server) {
        let (mut tls, _) = self.enter(server);
        self.logs_in(&mut tls);
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
    SUBMISSION.logs_in(&mut secured[0]);
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
        assert_eq!(server.processes(), before);
        assert_eq!(ask(&mut tls, "quit\n"), door.bye());
        assert_eq!(rest(&mut tls), b"");
        drop((tls, greeted));
        server.idle();
        assert_eq!(server.processes(), before);
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        server.log.wait_for_count("tlsserver: no login from 127.0.0.1", 2);
    }
}

#[test]
fn who_logs_in_gets_a_program_that_knows_how_it_was_greeted() {
    for door in DOORS {
        let server = door.setup().start();
        let before = server.processes().len();
        let mut stamps = Vec::new();
        for _ in 0..3 {
            let (mut tls, _) = door.enter(&server);
            let said = door.logs_in(&mut tls);
            let stamp = said.strip_prefix("bob ").unwrap();
            let stamp = stamp.strip_suffix(" none TLSv1.3\r\n").expect("a program");
            assert_eq!(server.processes().len(), before + 1);
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
            let (mut tls, _) = door.enter(&server);
            if !door.pop3 {
                assert_eq!(ask(&mut tls, door.wrong()), door.failed());
            }
            door.logs_in(&mut tls);
            finish_sending(&mut tls);
            assert_eq!(rest(&mut tls), b"");
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
        let before = server.held();
        let (mut tls, _) = door.enter(&server);
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
        server.idle();
        server.wait_until_held(&before);
    }
}

#[test]
fn the_program_has_all_that_is_behind_the_login_however_it_comes() {
    for door in DOORS {
        let server = door.setup().start();
        for behind in ["", "NOOP\r\n", &"x".repeat(200_000)] {
            // A command before it, in the same record.
            let (mut tls, _) = door.enter(&server);
            tls.write_all(format!("NOOP\r\n{}{behind}", door.login()).as_bytes()).unwrap();
            assert_eq!(line(&mut tls), door.ok());
            door.is_logged_in(&mut tls);
            let mut repeated = vec![0; behind.len()];
            tls.read_exact(&mut repeated).unwrap();
            assert!(repeated == behind.as_bytes(), "{}", repeated.escape_ascii());
        }
        // Each octet in a record of its own; a line that is none first.
        let (mut tls, _) = door.enter(&server);
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
        door.logs_in(&mut tls);
        assert_repeats(&mut tls);
    }
}

#[test]
fn overlong_lines_and_odd_octets_begin_no_login() {
    for door in DOORS {
        let server = door.setup().start();
        let (mut tls, _) = door.enter(&server);
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
        let mut socket = plain(&server);
        line(&mut socket);
        socket.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(clear_rest(socket)), format!("{clear}{}", door.bye()));
        let (mut tls, _) = door.enter(&server);
        tls.write_all(asks.as_bytes()).unwrap();
        assert_eq!(text(rest(&mut tls)), format!("{secured}{}", door.bye()));
    }
}
