//! The descriptors of UCSPI-TLS under whatever numbers a TLS server gives them: sslserver
//! has 3, 7 and 9, others have others, and one number may stand for two of them.
//!
//! The TLS server is a stand-in, as no real one lets its numbers be chosen: it passes
//! sockets, waits for `Y`, reports one fact, and goes on in the clear.

#![expect(clippy::expect_used, reason = "clippy sees a test only in the functions marked as one")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use acceptance::stage::Alone;
use command_fds::{CommandFdExt, FdMapping};
use test_support::run::OwnChild;
use test_support::talking::{pair, up_to};
use test_support::wait::for_end;

/// The variables, in this order.
const NAMES: [&str; 3] = ["SSLCTLFD", "SSLREADFD", "SSLWRITEFD"];
const NUMBERS: std::ops::RangeInclusive<i32> = 3..=9;

/// Shows its descriptor 3, and refuses.
const CHECKPASSWORD: &str = r"tr '\0' '|' <&3; echo; exit 1";
/// Says when it begins: with the client, and again within TLS.
const SERVER: &str =
    r"echo begins >&2; printf '220 ready\r\n'; while read -r line; do printf '250 ok\r\n'; done";

struct Stage(Alone);

impl Stage {
    fn set() -> Self {
        Self(Alone::with(&[]).expect("the programs"))
    }

    /// Starts the program with these values of the variables. There is a socket under each
    /// number above 2, and the ends that a TLS server keeps come back in the variables' order.
    fn start(&self, command: &[&str], numbers: [i32; 3]) -> Session {
        let mut child = self.0.command(command[0], &command[1..]);
        let mut kept: Vec<(i32, UnixStream)> = Vec::new();
        let mut mappings = Vec::new();
        for number in numbers.into_iter().filter(|number| *number > 2) {
            if kept.iter().all(|(known, _)| *known != number) {
                let (ours, theirs) = pair();
                mappings.push(FdMapping { parent_fd: theirs.into(), child_fd: number });
                kept.push((number, ours));
            }
        }
        let (client, network) = pair();
        child.env("UCSPITLS", "");
        for (name, number) in NAMES.into_iter().zip(numbers) {
            child.env(name, number.to_string());
        }
        child.fd_mappings(mappings).expect("each number once");
        let output: OwnedFd = network.try_clone().expect("a descriptor").into();
        let (log, error) = pair();
        child.stdin(OwnedFd::from(network)).stdout(output).stderr(OwnedFd::from(error));
        let child = child.spawn().expect("starts");
        let ends = numbers.map(|number| {
            let found = kept.iter().find(|(known, _)| *known == number);
            found.map(|(_, end)| end.try_clone().expect("a descriptor"))
        });
        Session { child: OwnChild(child), log, client, ends }
    }
}

struct Session {
    child: OwnChild,
    log: UnixStream,
    client: UnixStream,
    ends: [Option<UnixStream>; 3],
}

impl Session {
    /// Starts TLS as a client and a TLS server do.
    fn start_tls(&mut self) {
        self.start_tls_and_say("");
    }

    /// The same by a TLS server that has something of the client's at hand when it has
    /// reported: where one socket is both the control socket and the decrypted stream, it
    /// comes with the facts.
    fn start_tls_and_say(&mut self, line: &str) {
        heard(&mut self.client, "\r\n");
        self.client.write_all(b"STARTTLS\r\n").expect("a request");
        assert!(heard(&mut self.client, "\r\n").starts_with("220 "));
        let control = self.ends[0].as_mut().expect("a control socket");
        let mut asked = [0];
        control.read_exact(&mut asked).expect("Y");
        assert_eq!(asked, *b"Y");
        let written = ["SSL_PROTOCOL=TLSv1.3\0\0", line].concat();
        control.write_all(written.as_bytes()).expect("facts");
    }

    fn says(&mut self, line: &str) {
        let reads = self.ends[1].as_mut().expect("a descriptor to read");
        reads.write_all(line.as_bytes()).expect("a line");
    }

    fn hears(&mut self, last: &str) -> String {
        heard(self.ends[2].as_mut().expect("a descriptor to write"), last)
    }

    /// Waits for a line of the log that ends so.
    fn awaits(&mut self, end: &str) {
        heard(&mut self.log, end);
    }
}

/// What comes up to and with `last`.
fn heard(end: &mut UnixStream, last: &str) -> String {
    let octets = up_to(end, last).expect("an answer in time");
    let said = String::from_utf8_lossy(&octets).into_owned();
    assert!(said.ends_with(last), "ended after {said:?}");
    said
}

fn every_assignment() -> impl Iterator<Item = [i32; 3]> {
    NUMBERS.flat_map(|control| {
        NUMBERS.flat_map(move |read| NUMBERS.map(move |write| [control, read, write]))
    })
}

#[test]
fn authup_logs_in_whatever_the_numbers() {
    let stage = Stage::set();
    for numbers in every_assignment() {
        let command = ["authup", "smtp", "sh", "-c", CHECKPASSWORD];
        let mut session = stage.start(&command, numbers);
        session.start_tls();
        // One socket may be all three; nothing is said on it before the facts are read.
        session.awaits("negotiated TLS\n");
        session.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
        assert_eq!(session.hears("\n"), "alice|secret||\n", "{numbers:?}");
        assert!(session.hears("\r\n").starts_with("535 "), "{numbers:?}");
        session.says("QUIT\r\n");
        assert!(session.hears("\r\n").starts_with("221 "), "{numbers:?}");
        assert!(for_end(&mut session.child).success(), "{numbers:?}");
    }
}

#[test]
fn fixsmtpio_starts_tls_whatever_the_numbers() {
    let stage = Stage::set();
    for numbers in every_assignment() {
        let mut session = stage.start(&["fixsmtpio", "sh", "-c", SERVER], numbers);
        session.awaits("begins\n");
        session.start_tls();
        session.awaits("begins\n");
        session.says("NOOP\r\n");
        assert_eq!(session.hears("\r\n"), "250 ok\r\n", "{numbers:?}");
    }
}

#[test]
fn what_comes_with_the_facts_on_the_stream_is_the_clients_first_command() {
    let stage = Stage::set();
    for numbers in [[4, 4, 6], [5, 5, 5]] {
        let command = ["authup", "smtp", "sh", "-c", CHECKPASSWORD];
        let mut session = stage.start(&command, numbers);
        session.start_tls_and_say("QUIT\r\n");
        assert!(session.hears("\r\n").starts_with("221 "), "authup {numbers:?}");
        let mut session = stage.start(&["fixsmtpio", "sh", "-c", SERVER], numbers);
        session.start_tls_and_say("NOOP\r\n");
        assert_eq!(session.hears("\r\n"), "250 ok\r\n", "fixsmtpio {numbers:?}");
    }
}

/// Whoever started the TLS server may have had files open that are root's only.
#[test]
fn what_was_left_open_is_not_for_the_program_behind() {
    let stage = Stage::set();
    let left = stage.0.home.write("left-open", "secret");
    // The shell moves the file to each number, and becomes authup.
    let numbers = [4, 5, 8, 20, 99, 300];
    let opens: String =
        numbers.iter().map(|number| format!("exec {number}<{}; ", left.display())).collect();
    let shows = "ls -l /proc/$$/fd >&2; exit 1";
    let command = format!("{opens}exec authup smtp bash -c '{shows}'");
    let mut session = stage.start(&["bash", "-c", &command], [3, 7, 9]);
    session.start_tls();
    session.awaits("negotiated TLS\n");
    session.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nQUIT\r\n");
    assert!(session.hears("221 mail.example.org\r\n").starts_with("535 "));
    let mut log = String::new();
    session.log.read_to_string(&mut log).expect("the log");
    assert!(log.contains(" 3 -> pipe:"), "{log}");
    assert!(!log.contains("left-open"), "{log}");
    let open = log.lines().filter(|line| line.contains(" -> ")).count();
    // The client twice, the log, the record, the way back; and bash's own.
    assert!(open <= 6, "{log}");
}

#[test]
fn the_first_three_are_refused_with_a_line() {
    let stage = Stage::set();
    for command in
        [&["authup", "smtp", "sh", "-c", CHECKPASSWORD][..], &["fixsmtpio", "sh", "-c", SERVER]]
    {
        for (at, name) in NAMES.into_iter().enumerate() {
            for number in 0..=2 {
                let mut numbers = [3, 7, 9];
                numbers[at] = number;
                let mut session = stage.start(command, numbers);
                heard(&mut session.client, "\r\n");
                session.client.write_all(b"STARTTLS\r\n").expect("a request");
                let answer = heard(&mut session.client, "\r\n");
                assert!(answer.starts_with("454 "), "{command:?}: {name}={number}: {answer}");
                let refused = format!(
                    "TLS temporarily not available: {name}: {number}: standard descriptor\n"
                );
                session.awaits(&refused);
            }
        }
    }
}
