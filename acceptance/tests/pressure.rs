//! What no transcript can show: who waits, who sleeps, and how much memory it takes.

#![expect(clippy::expect_used, reason = "clippy sees a test only in the functions marked as one")]

use std::io::{BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::thread;

use acceptance::processes;
use acceptance::stage::Alone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use test_support::log::fill;
use test_support::run::OwnChild;
use test_support::talking::{self, Patient, Talking, up_to};
use test_support::wait::{for_end, is_gone, until};

/// A program under test between two pipes, with control files of its own.
struct Running {
    child: OwnChild,
    _alone: Alone,
}

/// What is written to, and what is read from.
type Ends = (ChildStdin, BufReader<Patient<ChildStdout>>);

impl Running {
    fn start(control: &[(&str, &str)], command: &[&str]) -> (Self, Ends) {
        Self::start_logging(control, command, Stdio::inherit())
    }

    /// The same with another log.
    fn start_logging(control: &[(&str, &str)], command: &[&str], log: Stdio) -> (Self, Ends) {
        let alone = Alone::with(control).expect("the programs");
        let mut program = alone.command(command[0], &command[1..]);
        let Talking { child, input, output } = Talking::start(program.stderr(log));
        (Self { child, _alone: alone }, (input, output))
    }

    /// fixsmtpio before a server that this script is, which has greeted; and its ends.
    fn relay(script: &str) -> (Self, Ends) {
        let (running, (input, mut output)) = Self::start(&[], &["fixsmtpio", "sh", "-c", script]);
        assert_eq!(line(&mut output), "220 local\r\n");
        (running, (input, output))
    }

    /// authup where a login may take some seconds, and an answer as long as it wants.
    fn dialog(protocol: &str) -> (Self, Ends) {
        let control = [("timeoutlogin", "3\n"), ("timeoutsmtpd", "1000\n")];
        Self::start(&control, &["authup", protocol, "false"])
    }

    fn ends(&mut self) -> Option<i32> {
        for_end(&mut self.child).code()
    }

    /// The most memory that the process ever had, in KiB.
    fn peak(&self) -> u64 {
        processes::peak(self.child.id()).expect("VmHWM")
    }

    /// Waits until the process sleeps: it has done all that it can for now.
    fn settles(&self) {
        processes::settles(self.child.id());
    }
}

fn line(output: &mut impl Read) -> String {
    String::from_utf8(up_to(output, "\n").expect("a line")).expect("text")
}

fn rest(output: &mut impl Read) -> String {
    String::from_utf8(talking::rest(output).expect("an end")).expect("text")
}

/// A server that answers every line, slowly read from and read slowly.
const TALKATIVE: &str =
    r#"printf '220 local\r\n'; while IFS= read -r line; do printf '250 %01000d\r\n' 0; done"#;

#[test]
fn d11_half_a_line_lets_it_sleep() {
    let (running, (mut input, mut output)) = Running::relay(TALKATIVE);
    input.write_all(b"EHLO half").expect("half a line");
    // A program that spins is never seen asleep.
    for _ in 0..1000 {
        running.settles();
    }
    input.write_all(b" a line\r\n").expect("the rest");
    assert!(line(&mut output).starts_with("250 0"));
}

#[test]
fn d16_requests_and_replies_both_ways_at_once() {
    let (mut running, (mut input, mut output)) = Running::relay(TALKATIVE);
    let count = 3000;
    let writer = thread::spawn(move || {
        for _ in 0..count {
            input
                .write_all(format!("NOOP {}\r\n", "x".repeat(1000)).as_bytes())
                .expect("a request");
        }
        input
    });
    for _ in 0..count {
        assert_eq!(line(&mut output).len(), 1006);
    }
    drop(writer.join().expect("the writer"));
    assert!(for_end(&mut running.child).success());
}

#[test]
fn d16_a_client_that_does_not_read_makes_the_server_wait() {
    let flood = r"printf '220 local\r\n'; yes '250 0123456789012345678901234567890123456789' | head -c 40000000";
    let (running, (input, mut output)) = Running::relay(flood);
    // Our pipe is full and it sleeps: all is waiting for us.
    for _ in 0..1000 {
        running.settles();
    }
    let peak = running.peak();
    assert!(peak < 16 * 1024, "it took {peak} KiB");
    let rest = rest(&mut output);
    assert!(rest.len() > 39_000_000, "only {} octets came", rest.len());
    drop(input);
}

#[test]
fn d16_a_server_that_does_not_read_makes_the_client_wait() {
    let deaf = r"printf '220 local\r\n'; read data; printf '354 go\r\n'; exec sleep 30";
    let (running, (mut input, mut output)) = Running::relay(deaf);
    input.write_all(b"DATA\r\n").expect("DATA");
    assert_eq!(line(&mut output), "354 go\r\n");
    let mut sent = 0;
    while writable(&input) {
        sent += input.write(&[b'x'; 4096]).expect("data");
        assert!(sent < 16 << 20, "it takes without end");
        if !writable(&input) {
            running.settles();
        }
    }
    let peak = running.peak();
    assert!(peak < 16 * 1024, "it took {peak} KiB");
}

fn writable(input: &ChildStdin) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).expect("poll") > 0
}

#[test]
fn d32_a_client_that_keeps_talking_is_bounded_too() {
    let (mut running, (mut input, mut output)) = Running::dialog("smtp");
    assert_eq!(line(&mut output), "220 mail.example.org ESMTP\r\n");
    // A command after each answer; the end comes all the same.
    let ask = || {
        let _may_have_ended = input.write_all(b"NOOP\r\n");
        line(&mut output)
    };
    let said = until("end of its time", ask, |said| said != "250 ok\r\n");
    assert_eq!(said, "451 authup timeout (#4.4.2)\r\n");
    assert_eq!(running.ends(), Some(1));
}

#[test]
fn d32_a_client_that_never_pauses_is_bounded_too() {
    const MANY: usize = 1000;
    let (mut running, (mut input, mut output)) = Running::dialog("smtp");
    // More commands than can be answered in that time, so there is always one to be read.
    let talking = thread::spawn(move || {
        let commands = "NOOP\r\n".repeat(MANY);
        (0..10 * MANY).all(|_| input.write_all(commands.as_bytes()).is_ok())
    });
    let said = rest(&mut output);
    assert!(said.ends_with("250 ok\r\n451 authup timeout (#4.4.2)\r\n"), "{:?}", last(&said));
    assert_eq!(running.ends(), Some(1));
    assert!(!talking.join().expect("the writer"), "all was read");
}

fn last(said: &str) -> Option<&str> {
    said.lines().last()
}

#[test]
fn d32_a_client_that_takes_no_replies_is_bounded_too() {
    let (mut running, (mut input, mut output)) = Running::dialog("smtp");
    assert_eq!(line(&mut output), "220 mail.example.org ESMTP\r\n");
    // More replies than the pipe has room for, and nobody who reads them.
    let flooding = thread::spawn(move || while input.write_all(b"HELP\r\n").is_ok() {});
    assert_eq!(running.ends(), Some(1));
    flooding.join().expect("the writer");
    let said = rest(&mut output);
    assert!(said.starts_with("214 authup"), "{said}");
}

#[test]
fn d32_a_client_that_drips_is_bounded_too() {
    let (mut running, (mut input, mut output)) = Running::dialog("pop3");
    let greeting = line(&mut output);
    assert_eq!(greeting, "+OK mail.example.org\r\n");
    // Octets of one line that never ends, each when the one before was taken.
    let dripping = thread::spawn(move || {
        while input.write_all(b"x").is_ok() {
            thread::yield_now();
        }
    });
    let said = rest(&mut output);
    assert!(said.ends_with("-ERR authup timeout\r\n"), "{said:?}");
    assert_eq!(running.ends(), Some(1));
    dripping.join().expect("the writer");
}

/// An IMAP server that has ended cannot end the session any more of a client that does not read.
#[test]
fn an_imap_server_that_has_ended_waits_for_no_client_for_good() {
    // What does not fit into our pipe fits into the relay's window, or does not.
    let ended = [70_000, 100_000].map(|octets| {
        let script = format!("printf '* PREAUTH hi\\r\\n'; head -c {octets} /dev/zero");
        let relay = ["/usr/bin/env", "IMAPLOGINTAG=a", "fiximapio", "sh", "-c", &script];
        let (running, (input, mut output)) = Running::start(&[], &relay);
        assert_eq!(line(&mut output), "a OK hi\r\n");
        (running, input, output)
    });
    for (mut running, _input, _output) in ended {
        // It waits for a minute itself.
        let _has_ended = is_gone(running.child.id());
        assert_eq!(running.ends(), Some(16));
    }
}

/// A log that has no room for one more line: where it is read, and where it is written.
fn full_log() -> (PipeReader, PipeWriter) {
    let (log, writer) = std::io::pipe().expect("a pipe");
    fill(&writer);
    (log, writer)
}

/// Each line may wait, but only until one has waited in vain.
#[test]
fn d62_a_log_that_nobody_reads_keeps_no_client_waiting_for_good() {
    let (log, writer) = full_log();
    let (mut running, (mut input, mut output)) =
        Running::start_logging(&[], &["authup", "-t", "2", "pop3", "false"], writer.into());
    assert!(line(&mut output).starts_with("+OK "));
    input.write_all(b"USER bob\r\nPASS x\r\n").expect("a login");
    assert_eq!(line(&mut output), "+OK \r\n");
    assert_eq!(line(&mut output), "-ERR [AUTH] authup authorization failed\r\n");
    // Once there is room again it is said.
    let mut log = Patient(log);
    assert!(log.read(&mut [0; 1 << 20]).expect("the log") > 4096);
    input.write_all(b"QUIT\r\n").expect("the end");
    assert_eq!(line(&mut output), "+OK \r\n");
    running.ends();
    drop(running);
    let said = rest(&mut log);
    assert_eq!(said.trim_start_matches('\n'), "authup: 3 lines lost: the log was full\n");
}

/// Nor where it is the programs behind authup, or without it, that have something to say.
#[test]
fn d62_no_program_of_a_connection_waits_for_the_log_for_good() {
    let is_told = |program: &[&str], says: &str, last: &str| {
        let (_log, writer) = full_log();
        let (mut running, (mut input, mut output)) =
            Running::start_logging(&[], program, writer.into());
        input.write_all(says.as_bytes()).expect("what the client says");
        let said = rest(&mut output);
        assert!(said.ends_with(last), "{program:?}: {said:?}");
        running.ends();
    };
    let no_server = "421 unable to start the mail server (#4.3.0)\r\n";
    let checks: &[&str] = &["authup", "pop3", "checkpassword-file", "-f", "/nonexistent", "true"];
    let login = "USER bob\r\nPASS x\r\nQUIT\r\n";
    let told = "-ERR [SYS/TEMP] authup temporary authentication failure\r\n+OK \r\n";
    let ends: &[(&[&str], &str, &str)] = &[
        (&["fixsmtpio", "/nonexistent"], "", no_server),
        (&["fiximapio", "/nonexistent"], "", "* BYE server is not ready\r\n"),
        (checks, login, told),
    ];
    thread::scope(|scope| {
        for (program, says, last) in ends {
            scope.spawn(move || is_told(program, says, last));
        }
    });
}
