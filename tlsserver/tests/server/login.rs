//! `--login`: an engine talks to clients until they have logged in, and only a login costs a
//! program. Here are the ways in. What it says is in [`dialog`], what goes wrong in [`faults`] and
//! [`inside`], how it is run in [`running`], who makes room in [`room`], what the rules change in
//! [`rules`], how the server ends in [`ending`], what control files say of logins in [`controls`],
//! what a login program may do in [`programs`], what it writes to its log in [`words`], what the
//! log says of who guesses in [`guessing`], and what is so where something hangs in [`hanging`],
//! and where there are too few descriptors in [`shortage`]. With real login programs behind it:
//! `acceptance/tests/chains`.

/// The words of a login program in bash: what it does to decide, and what once it has said that
/// the login is good.
macro_rules! login_program {
    ($decides:literal, $goes_on:literal) => {
        &[
            "bash",
            "--norc",
            "-c",
            concat!(
                "for part in user password stamp; do IFS= read -r -d '' $part <&3; done\n",
                "exec 3<&-\n",
                $decides,
                "\nprintf x >&$AUTHUPREADYFD; eval \"exec $AUTHUPREADYFD>&-\"\n",
                $goes_on
            ),
        ]
    };
}

mod background;
mod controls;
mod dialog;
mod ending;
mod faults;
mod guessing;
mod hanging;
mod inside;
mod programs;
mod room;
mod rules;
mod running;
mod shortage;
mod words;

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::StreamOwned;
use test_support::service::write_controls;
use test_support::talking::up_to;

use crate::harness::client::{Tls, client, close, handshake, plain};
use crate::harness::{Server, Setup};

/// Stands for a login program and the mail program behind it: takes one password, says what
/// of its environment matters, then repeats what it reads.
const PROGRAM: &[&str] = login_program!(
    r#"[ "$password" = p ] || exit 1"#,
    r#"printf '%s %s %s %s\r\n' "$user" "$stamp" "${RELAYCLIENT-none}" "${SSL_PROTOCOL-none}"
       exec cat"#
);

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
        let smtp = ("smtpcapabilities", "8BITMIME\nPIPELINING\n");
        let files = [("me", "mail.example.org\n"), smtp, ("pop3capabilities", "UIDL\nTOP\n")];
        write_controls(setup.directory.path(), &files);
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

    /// A client in the clear, which has been greeted unless TLS is to come first.
    fn greeted(self, server: &Server) -> TcpStream {
        let mut socket = plain(server);
        if self.asked {
            line(&mut socket);
        }
        socket
    }

    /// A client up to where it could log in.
    fn enter(self, server: &Server) -> Tls {
        self.enter_as(server, "mail.example.org")
    }

    /// The same where the server is called so.
    fn enter_as(self, server: &Server, host: &str) -> Tls {
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
        tls
    }

    /// A client that has logged in.
    fn logged_in(self, server: &Server) -> Tls {
        let mut tls = self.enter(server);
        self.logs_in(&mut tls);
        tls
    }

    /// A client that has said who it is, and has no answer yet.
    fn says_login(self, server: &Server) -> Tls {
        let mut tls = self.enter(server);
        tls.write_all(self.login().as_bytes()).unwrap();
        tls
    }

    /// A client whose handshake is done but for what it has to say last, which goes out with
    /// whatever is read or written next.
    fn all_but_secure(self, server: &Server) -> Tls {
        let mut socket = self.greeted(server);
        if self.asked {
            ask(&mut socket, self.starttls());
        }
        let mut tls = StreamOwned::new(client(server), socket);
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
        let mut tls = self.logged_in(server);
        assert_repeats(&mut tls);
        close(&mut tls);
    }
}

/// A service with this login program.
pub(crate) fn with_program(program: &[&str]) -> Setup {
    SUBMISSION.with(program)
}

/// One line, and no octet of what follows.
#[track_caller]
fn line(client: &mut impl Read) -> String {
    let line = String::from_utf8(up_to(client, "\n").unwrap()).unwrap();
    assert!(line.ends_with('\n'), "the end after {line:?}");
    line
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
    let secured = vec![SUBMISSION.logged_in(&server), SUBMISSION.enter(&server)];
    let clear = SUBMISSION.greeted(&server);
    (server, secured, clear)
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}
