//! What processes give up before they read what a stranger sends. authup's two: what
//! the parser has given up, and what either's end does to the other. fixsmtpio: when
//! it goes to jail, and that its server does not.

#![expect(clippy::expect_used, reason = "clippy sees a test only in the functions marked as one")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use test_support::needs;

use acceptance::processes::{contains, memory};
use acceptance::stage::Alone;
use rustix::process::Signal;
use test_support::folder::{public, set_mode};
use test_support::log::Log;
use test_support::process::{
    self, Process, assert_powerless, children, is_jailed, limit, open, signal, target,
};
use test_support::run::{OwnChild, hand_over};
use test_support::service::{AS_NOBODY, NOBODY};
use test_support::talking::pair;
use test_support::wait::{for_end, until_gone};

/// authup with a client, and control files of its own.
struct Session {
    authup: OwnChild,
    client: BufReader<UnixStream>,
    log: Log,
    /// How many lines of it have been read.
    heard: usize,
    _alone: Alone,
}

/// A checkpassword that says no.
const NO: &[&str] = &["sh", "-c", "cat <&3 >/dev/null; exit 1"];

impl Session {
    fn start(control: &[(&str, &str)], program: &[&str]) -> Self {
        Self::with(control, program, |_| {})
    }

    fn with(control: &[(&str, &str)], program: &[&str], also: impl Fn(&mut Command)) -> Self {
        let alone = Alone::with(control).expect("the programs");
        let (client, server) = pair();
        let mut command = alone.command("authup", &[&["smtp"], program].concat());
        also(&mut command);
        let server = OwnedFd::from(server);
        command.stdin(server.try_clone().expect("a copy")).stdout(server);
        let mut authup = command.stderr(Stdio::piped()).spawn().expect("starts");
        let log = Log::of(authup.stderr.take().expect("a log"));
        let mut session = Self {
            authup: OwnChild(authup),
            client: BufReader::new(client),
            log,
            heard: 0,
            _alone: alone,
        };
        let logged = session.logged();
        assert!(logged.ends_with(" protocol smtp"), "{logged}");
        session
    }

    /// Up to the greeting: the parser is in its jail.
    fn greeted(mut self) -> Self {
        assert_eq!(self.line(), "220 mail.example.org ESMTP\r\n");
        self
    }

    fn say(&mut self, line: &str) {
        self.client.get_mut().write_all(line.as_bytes()).expect("said");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.client.read_line(&mut line).expect("a line");
        line
    }

    fn logged(&mut self) -> String {
        self.heard += 1;
        self.log.line(self.heard - 1)
    }

    fn monitor(&self) -> u32 {
        self.authup.id()
    }

    fn parser(&self) -> u32 {
        let children = children(self.monitor());
        let found: Vec<_> = children.iter().filter(|&&pid| name(pid) == "authup-parser").collect();
        assert_eq!(found.len(), 1, "{children:?}");
        *found[0]
    }

    /// What the client sees from here to the end, and the exit code.
    fn ends(&mut self) -> (String, Option<i32>) {
        let mut said = String::new();
        self.client.read_to_string(&mut said).expect("what it says");
        (said, for_end(&mut self.authup).code())
    }
}

/// The same command where /var/empty is what this mounts there, and nowhere else.
fn where_mounted(mounts: &str, command: &Command) -> Command {
    let mut there = Command::new("unshare");
    let script = format!(
        "mount -t tmpfs none /var && mkdir -m 755 /var/empty && {mounts} && exec \"$0\" \"$@\""
    );
    hand_over(there.args(["-m", "sh", "-c", &script]), command);
    there
}

fn name(pid: u32) -> String {
    Process::look(pid).map(|process| process.name).unwrap_or_default()
}

fn status(pid: u32, field: &str) -> String {
    process::status(pid, field).expect("the field")
}

#[test]
fn the_parser_is_jailed_before_it_says_a_word() {
    let session = Session::start(&[], NO).greeted();
    let parser = session.parser();
    assert!(is_jailed(parser) && !is_jailed(session.monitor()));
    assert_eq!(status(parser, "Threads"), "1");
    assert_eq!(children(parser), [0_u32; 0]);
    assert_eq!(limit(parser, "Max core file size"), "0");
}

#[test]
fn as_root_the_parser_is_nobody_nowhere() {
    needs!("root");
    let ids = |user: &str, group: &str| {
        Session::with(&[], NO, |command| {
            if !user.is_empty() {
                command.env("AUTHUP_UID", user).env("AUTHUP_GID", group);
            }
        })
        .greeted()
    };
    for (session, user, group) in [(ids("", ""), NOBODY, NOBODY), (ids("4711", "4712"), 4711, 4712)]
    {
        assert_powerless(session.parser(), user, group);
        assert_eq!(status(session.monitor(), "Uid"), "0\t0\t0\t0");
    }
}

#[test]
fn the_parser_has_the_client_and_the_monitor_and_nothing_else() {
    needs!("root");
    let session = Session::start(&[], NO).greeted();
    let held = open(session.parser());
    let kinds: Vec<_> = held.values().filter_map(|target| target.split(':').next()).collect();
    // 2 is a pipe that nobody reads; the last is the channel.
    assert_eq!(kinds, ["socket", "socket", "pipe", "socket"], "{held:?}");
    let logs = [session.parser(), session.monitor()].map(|pid| target(pid, 2));
    assert_ne!(logs[0], logs[1], "the log is the monitor's");
}

#[test]
fn no_number_for_the_jails_user_is_no_session() {
    for (variable, value) in [("AUTHUP_UID", "nobody"), ("AUTHUP_GID", "-1"), ("AUTHUP_UID", "")] {
        let mut session = Session::with(&[], NO, |command| {
            command.env(variable, value);
        });
        let logged = session.logged();
        assert!(logged.ends_with(&format!(" unable to read controls: {variable}: not a number")));
        let refused = "421 authup unable to read controls (#4.3.0)\r\n";
        assert_eq!(session.ends(), (refused.into(), Some(1)));
    }
}

#[test]
fn a_parser_without_a_root_folder_is_held_by_the_kernel() {
    needs!("root");
    // No root folder can be made: /var/empty is anybody's, and there is no other place. Where
    // the kernel has Landlock that is no reason to serve nobody.
    let mounts = "mount -t tmpfs -o mode=1777 none /var/empty";
    let mut session = Session::with(&[], NO, |command| {
        *command = where_mounted(mounts, command);
        command.env("TMPDIR", "/nonexistent");
    });
    let has_landlock = fs::read_to_string("/sys/kernel/security/lsm")
        .map_or(true, |modules| modules.contains("landlock"));
    if has_landlock {
        session = session.greeted();
        let parser = session.parser();
        assert_eq!(status(parser, "Seccomp"), "2");
        assert_eq!(status(parser, "Uid"), ["65534"; 4].join("\t"));
    } else {
        let logged = session.logged();
        assert!(logged.contains(" unable to jail parser: leaving the file system: "), "{logged}");
        let refused = "454 authup unable to fork (#4.3.0)\r\n";
        assert_eq!(session.ends(), (refused.into(), Some(1)));
    }
}

#[test]
fn a_parser_that_crashes_is_said_and_told() {
    for how in [Signal::KILL, Signal::ABORT, Signal::SYS] {
        let mut session = Session::start(&[], NO).greeted();
        signal(session.parser(), how);
        assert!(session.logged().ends_with(" aack, parser crashed"));
        let told = "454 authup aack, child crashed (#4.3.0)\r\n";
        assert_eq!(session.ends(), (told.into(), Some(1)));
    }
}

#[test]
fn a_parser_does_not_outlive_its_monitor() {
    let mut session = Session::start(&[], NO).greeted();
    let parser = session.parser();
    signal(session.monitor(), Signal::KILL);
    until_gone(parser);
    let (said, _) = session.ends();
    assert_eq!(said, "", "the connection is over");
    assert_eq!(for_end(&mut session.authup).signal(), Some(9));
}

#[test]
fn a_login_program_that_hangs_is_ended() {
    needs!("root");
    // It has not become anybody when the time for a login is over.
    let hangs = &["sh", "-c", "cat <&3 >/dev/null; exec sleep 1000"];
    let mut session = Session::start(&[("timeoutlogin", "3\n")], hangs).greeted();
    session.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    assert!(session.logged().contains(" attempt for alice"));
    let (said, code) = session.ends();
    assert_eq!((said.as_str(), code), ("451 authup timeout (#4.4.2)\r\n", Some(1)));
    assert!(session.logged().ends_with(" timed out"));
}

#[test]
fn a_session_is_not_ended_with_the_time_for_a_login() {
    needs!("root");
    // It does not know of the ready pipe, and outlasts the time: its end is asked for.
    let session = "read line; printf '235 ok\\r\\n'; read line; printf '221 bye\\r\\n'; exit 0";
    let session = [&AS_NOBODY[..], &["sh", "-c", session]].concat();
    let start = || Session::start(&[("timeoutlogin", "3\n")], &session).greeted();
    let mut session = start();
    session.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
    // The time of one who came later is over.
    assert_eq!(start().ends(), ("451 authup timeout (#4.4.2)\r\n".into(), Some(1)));
    session.say("go on\r\n");
    assert_eq!(session.line(), "235 ok\r\n");
    session.say("QUIT\r\n");
    assert_eq!(session.ends(), ("221 bye\r\n".into(), Some(0)));
}

#[test]
fn no_process_is_left_behind() {
    let mut session = Session::start(&[], NO).greeted();
    let parser = session.parser();
    session.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nQUIT\r\n");
    let (said, code) = session.ends();
    assert_eq!(said, "535 authup authorization failed (#5.7.0)\r\n221 mail.example.org\r\n");
    assert_eq!(code, Some(0));
    assert!(!Path::new(&format!("/proc/{parser}")).exists(), "it was waited for");
}

#[test]
fn neither_process_keeps_the_password() {
    needs!("root");
    // The chain waits, so both processes are as they are during a session.
    let waits = &["sh", "-c", "cat <&3 >/dev/null; printf '235 ok\\r\\n'; read line"];
    let mut session = Session::start(&[], waits).greeted();
    // "alice", "correct horse 47" as any client sends it.
    let secret = b"correct horse 47";
    let encoded = "AGFsaWNlAGNvcnJlY3QgaG9yc2UgNDc=";
    session.say(&format!("AUTH PLAIN {encoded}\r\n"));
    assert_eq!(session.line(), "235 ok\r\n");
    for pid in [session.monitor(), session.parser()] {
        let memory = memory(pid).expect("memory");
        assert!(memory.len() > 4096 && contains(&memory, b"mail.example.org"), "it can be read");
        assert!(!contains(&memory, secret), "{} has the password", name(pid));
        assert!(!contains(&memory, encoded.as_bytes()), "{} has it encoded", name(pid));
    }
    session.say("\r\n");
}

#[test]
fn the_empty_folder_is_used_only_if_nobody_else_can_write_to_it() {
    needs!("root");
    for (mode, used) in [(0o755, true), (0o777, false), (0o775, false)] {
        let empty = public();
        set_mode(empty.path(), mode);
        let mounts = format!("mount --bind {} /var/empty", empty.path().display());
        let session = Session::with(&[], NO, |command| *command = where_mounted(&mounts, command));
        let session = session.greeted();
        let parser = session.parser();
        let root = fs::read_link(format!("/proc/{parser}/root")).expect("a root");
        // A folder that was made for the purpose no longer exists.
        assert_eq!(
            !root.to_str().expect("text").ends_with(" (deleted)"),
            used,
            "{mode:o} {root:?}"
        );
    }
}

/// fixsmtpio with a server that says what it got, and a client.
struct Relay {
    fixsmtpio: OwnChild,
    client: BufReader<UnixStream>,
    _alone: Alone,
}

impl Relay {
    fn start(also: impl Fn(&mut Command)) -> Self {
        let alone = Alone::with(&[]).expect("the programs");
        let server = "printf '220 local\\r\\n'; while read -r line; do printf '250 ok\\r\\n'; done";
        let (client, network) = pair();
        let network = OwnedFd::from(network);
        let mut command = alone.command("fixsmtpio", &["sh", "-c", server]);
        command.stdin(network.try_clone().expect("a copy")).stdout(network);
        also(&mut command);
        let fixsmtpio = command.spawn().expect("starts");
        Self { fixsmtpio: OwnChild(fixsmtpio), client: BufReader::new(client), _alone: alone }
    }

    fn says(&mut self, request: &str) -> String {
        self.client.get_mut().write_all(request.as_bytes()).expect("said");
        let mut line = String::new();
        self.client.read_line(&mut line).expect("a line");
        line
    }

    fn server(&self) -> u32 {
        let servers = children(self.fixsmtpio.id());
        assert_eq!(servers.len(), 1);
        servers[0]
    }
}

#[test]
fn fixsmtpio_goes_to_jail_and_its_server_does_not() {
    let mut relay = Relay::start(|_| {});
    assert_eq!(relay.says(""), "220 local\r\n");
    assert!(is_jailed(relay.fixsmtpio.id()));
    assert!(!is_jailed(relay.server()), "it may run setuid programs");
    assert_eq!(relay.says("NOOP\r\n"), "250 ok\r\n");
    drop(relay.client.get_mut().shutdown(std::net::Shutdown::Write));
    assert_eq!(for_end(&mut relay.fixsmtpio).code(), Some(0));
}

#[test]
fn with_tls_to_start_fixsmtpio_goes_to_jail_behind_the_second_server() {
    use command_fds::{CommandFdExt, FdMapping};
    // Ours is the TLS server's side of UCSPI-TLS, and the client's behind it.
    let (mut control, theirs) = pair();
    let (inside, decrypted) = pair();
    let (theirs, decrypted) = (OwnedFd::from(theirs), OwnedFd::from(decrypted));
    let mut relay = Relay::start(|command| {
        let copy = |end: &OwnedFd| end.try_clone().expect("a copy");
        let ends = [(copy(&theirs), 10), (copy(&decrypted), 11), (copy(&decrypted), 12)];
        let mappings = ends.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.into()).expect("no number twice");
        command.env("UCSPITLS", "").env("SSLCTLFD", "10");
        command.env("SSLREADFD", "11").env("SSLWRITEFD", "12");
    });
    assert_eq!(relay.says(""), "220 local\r\n");
    let first = relay.server();
    assert!(!is_jailed(relay.fixsmtpio.id()), "it could not start another server");
    assert_eq!(relay.says("STARTTLS\r\n"), "220 Ready to start TLS (#5.7.0)\r\n");
    let mut request = [0];
    control.read_exact(&mut request).expect("a request");
    assert_eq!(&request, b"Y");
    control.write_all(b"SSL_PROTOCOL=TLSv1.3\0\0").expect("facts");
    relay.client = BufReader::new(inside);
    assert_eq!(relay.says("NOOP\r\n"), "250 ok\r\n");
    assert!(is_jailed(relay.fixsmtpio.id()) && !is_jailed(relay.server()));
    assert_ne!(relay.server(), first);
}
