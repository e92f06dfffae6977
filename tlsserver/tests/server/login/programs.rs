//! What a login program may do: end in all ways, speak or not, tell or not, take its time;
//! and how many of them may think at once.

use proto::login::protocol::Protocol;
use proto::login::reply::Refusal;
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::thread;
use test_support::needs;
use test_support::run::{hand_over, output};
use test_support::wait::Gate;

use super::faults::{assert_unharmed, with_seconds};
use super::{DOORS, Door, POP3S, SUBMISSION, SUBMISSIONS, assert_repeats, line, text};
use crate::harness::Server;
use crate::harness::client::{Tls, close, finish_sending, handshake, plain, rest};
use crate::harness::processes::signal;

/// A login program in a word.
fn script(door: Door, script: &str) -> Server {
    door.with(&["bash", "--norc", "-c", script]).start()
}

impl Door {
    fn not_started(self) -> String {
        let protocol = if self.pop3 { Protocol::Pop3 } else { Protocol::Smtp };
        String::from_utf8(protocol.last_words(Refusal::NotStarted)).unwrap()
    }

    /// Temporary trouble, as authup says it.
    fn trouble(self) -> &'static str {
        self.word(
            "454 authup temporary authentication failure (#4.7.0)\r\n",
            "-ERR [SYS/TEMP] authup temporary authentication failure\r\n",
        )
    }
}

#[test]
fn all_ways_to_end_are_answered_as_authup_does() {
    for door in DOORS {
        let crashed = door.refusal("454", "aack, child crashed", "4.3.0");
        let timeout = door.timeout();
        let no_server = door.not_started();
        let controls = door.refusal("421", "unable to read controls", "4.3.0");
        // What POP3 has said may be half a message.
        let broken = format!("once\n{}", if door.pop3 { "" } else { &crashed });
        for (program, said, status) in [
            ("exec 3<&-; exit 0", &*no_server, 0),
            ("exit 16", &*timeout, 256),
            ("exit 18", &*controls, 256),
            ("exit 17", &*crashed, 256),
            ("kill -9 $$", &*crashed, 256),
            ("echo once; exit 0", "once\n", 0),
            ("printf x >&$AUTHUPREADYFD; echo once; exit 7", "once\n", 7 << 8),
            ("printf x >&$AUTHUPREADYFD; echo once; exit 1", "once\n", 256),
            ("exec <&-; echo deaf", "deaf\n", 0),
            ("printf x >&$AUTHUPREADYFD; echo once; kill -9 $$", &*broken, 256),
            ("printf x >&$AUTHUPREADYFD; printf half; kill -9 $$", "half", 256),
        ] {
            let server = script(door, program);
            let mut tls = door.says_login(&server);
            assert_eq!(text(rest(&mut tls)), format!("{}{said}", door.first()), "{program}");
            drop(tls);
            server.log.wait_for(&["tlsserver: end ", &format!(" status {status}")]);
            server.idle_as_begun();
        }
    }
}

/// However soon it ends, and whoever hears of that first.
#[test]
fn d65_a_program_that_ends_without_a_word_is_no_session_and_the_log_says_how_it_ended() {
    const LATE: &str = "cat >/dev/null; exit 3";
    let tells = "exec 3<&-; printf x >&$AUTHUPREADYFD;";
    for (program, code) in [("exit 0", 0), ("exit 1", 1), (LATE, 3)] {
        let program = format!("{tells} {program}");
        let line =
            format!(" unable to start the mail server: exit code {code} (bob from 127.0.0.1)");
        for door in DOORS {
            let server = script(door, &program);
            let mut tls = door.says_login(&server);
            server.log.wait_for(&["login succeeded (bob"]);
            if code == 3 {
                finish_sending(&mut tls);
            }
            let said = format!("{}{}", door.first(), door.not_started());
            assert_eq!(text(rest(&mut tls)), said, "{program}");
            drop(tls);
            server.log.wait_for(&["checkpassword ", &line]);
            assert_eq!(server.log.count("child completed"), 0, "{program}");
            server.idle();
        }
        let (server, mut tls) = by_imap(&program);
        tls.write_all(b"a1 LOGIN bob p\r\n").unwrap();
        if code == 3 {
            server.log.wait_for(&["login succeeded (bob"]);
            finish_sending(&mut tls);
        }
        let why = "authup unable to start the mail server\r\n";
        let said = text(rest(&mut tls));
        assert_eq!(said, format!("a1 NO [UNAVAILABLE] {why}* BYE {why}"), "{program}");
        server.log.wait_for(&["checkpassword ", &line]);
    }
    // One that has spoken is a session, however it ends.
    let server = script(SUBMISSIONS, &format!("{tells} echo hello; exit 7"));
    let mut tls = SUBMISSIONS.says_login(&server);
    assert_eq!(text(rest(&mut tls)), "hello\n");
    server.log.wait_for(&["succeeded, child completed: exit code 7 (bob from 127.0.0.1)"]);
}

#[test]
fn d67_a_login_by_imap_is_answered_once_and_a_literal_gets_no_more() {
    let ready = "exec 3<&-; printf x >&$AUTHUPREADYFD;";
    let literal = "* 1 FETCH (BODY[] {90}\r\nhal";
    for (program, said) in [
        (format!("{ready} printf 'a1 OK in\r\n{literal}'; kill -9 $$"), literal),
        (format!("{ready} printf 'a1 OK in\r\n'; exit 17"), ""),
        (format!("{ready} printf 'a1 OK in\r\n'; exit 16"), ""),
        ("exec 3<&-; printf 'a1 OK in\r\n'; exit 1".to_owned(), ""),
    ] {
        let (server, mut tls) = by_imap(&program);
        tls.write_all(b"a1 LOGIN bob p\r\n").unwrap();
        assert_eq!(text(rest(&mut tls)), format!("a1 OK in\r\n{said}"), "{program}");
        server.log.wait_for(&["tlsserver: end ", " status 256"]);
    }
    // While nobody has answered it, it waits for that.
    let (_server, mut tls) = by_imap(&format!("{ready} kill -9 $$"));
    tls.write_all(b"a1 LOGIN bob p\r\n").unwrap();
    let why = "authup aack, child crashed\r\n";
    assert_eq!(text(rest(&mut tls)), format!("a1 NO [UNAVAILABLE] {why}* BYE {why}"));
}

/// Who stays behind hears both, too.
#[test]
fn d65_without_a_listener_the_end_is_said_all_the_same() {
    let door = SUBMISSIONS;
    let mut server = script(door, "exec 3<&-; printf x >&$AUTHUPREADYFD; cat >/dev/null; exit 5");
    let mut tls = door.says_login(&server);
    server.log.wait_for(&["login succeeded"]);
    server.terminate();
    finish_sending(&mut tls);
    assert_eq!(text(rest(&mut tls)), door.not_started());
    server.log.wait_for(&[" unable to start the mail server: exit code 5 (bob from 127.0.0.1)"]);
    server.log.wait_for(&["tlsserver: end ", " status 1280"]);
}

#[test]
fn without_proc_or_dev_it_does_not_start_and_names_the_file() {
    needs!("root");
    for (empties, file) in
        [("umount -l /proc", "/proc/self/exe"), ("mount -t tmpfs none /dev", "/dev/null")]
    {
        let setup = SUBMISSION.setup();
        let command = setup.command();
        let mut there = Command::new("unshare");
        there.args(["-m", "sh", "-c", &format!("{empties} && exec \"$0\" \"$@\"")]);
        let output = output(hand_over(&mut there, &command), b"");
        assert_eq!(output.status.code(), Some(111));
        let said = text(output.stderr);
        assert!(said.contains(&format!(": {file}: No such file or directory\n")), "{said}");
    }
}

/// A client of IMAP with TLS from the first octet, greeted.
fn by_imap(program: &str) -> (Server, Tls) {
    let setup = SUBMISSIONS.with(&["bash", "--norc", "-c", program]);
    fs::write(setup.file("control/imapcapabilities"), "IDLE\n").unwrap();
    // The last one counts.
    let server = setup.option("--login").option("imap").start();
    let socket = plain(&server);
    let mut tls = handshake(&server, socket).unwrap();
    assert!(line(&mut tls).starts_with("* OK [CAPABILITY "));
    (server, tls)
}

#[test]
fn what_a_program_wrote_before_it_refuses_is_said_first() {
    for door in [SUBMISSION, POP3S] {
        let server = script(door, "exec 3<&-; printf 'a word\\r\\n'; exit 1");
        let mut tls = door.says_login(&server);
        finish_sending(&mut tls);
        let said = text(rest(&mut tls));
        let expected = format!("{}a word\r\n{}", door.first(), door.failed());
        assert!(said.starts_with(&expected), "{said}");
        // More than a socket holds.
        let server = script(door, "head -c 3000000 /dev/zero; exit 1");
        let mut tls = door.says_login(&server);
        finish_sending(&mut tls);
        let said = rest(&mut tls);
        let zeros = said.iter().filter(|&&octet| octet == 0).count();
        assert_eq!(zeros, 3_000_000);
        assert!(text(said).contains(&door.failed()));
    }
}

/// The C programs' way: nothing is told, and the login shows by what is said.
#[test]
fn a_chain_that_does_not_tell_speaks_for_itself() {
    for door in DOORS {
        let server = script(door, "exec 3<&-; echo hello; exec cat");
        let mut tls = door.enter(&server);
        tls.write_all(format!("{}behind\r\n", door.login()).as_bytes()).unwrap();
        finish_sending(&mut tls);
        assert_eq!(text(rest(&mut tls)), format!("{}hello\nbehind\r\n", door.first()));
        drop(tls);
        assert_eq!(server.log.count("login succeeded"), 0);
        server.log.wait_for(&["succeeded, child completed (bob from 127.0.0.1)"]);
        server.idle_as_begun();
    }
}

#[test]
fn each_direction_of_a_session_ends_by_itself() {
    for door in DOORS {
        // It hears all to the end, and then speaks.
        let tells = "exec 3<&-; printf x >&$AUTHUPREADYFD;";
        let server = script(door, &format!("{tells} wc -c; echo done"));
        let mut tls = door.enter(&server);
        tls.write_all(format!("{}{}", door.login(), "x".repeat(70_000)).as_bytes()).unwrap();
        finish_sending(&mut tls);
        assert_eq!(text(rest(&mut tls)), format!("{}70000\ndone\n", door.first()));
        // Somebody of it keeps the stream.
        let server = script(
            door,
            &format!("{tells} (while kill -0 $$; do :; done; echo late) 2>&- & echo soon"),
        );
        let mut tls = door.says_login(&server);
        assert_eq!(text(rest(&mut tls)), format!("{}soon\nlate\n", door.first()));
    }
}

#[test]
fn a_client_that_goes_while_its_password_is_checked_leaves_nothing() {
    for door in [SUBMISSION, POP3S] {
        let server = script(door, "exec 3<&-; cat >/dev/null; exit 1");
        for count in 1..=3 {
            let tls = door.says_login(&server);
            server.log.wait_for_count(" attempt for bob", count);
            drop(tls);
        }
        server.log.wait_for_count("tlsserver: end ", 3);
        server.idle_as_begun();
    }
}

/// Fails where another one runs; waits at a gate, and then does not know.
const ALONE: &str = "exec 3<&-; mkdir running || exit 0; read -r go <gate; rmdir running; exit 111";

#[test]
fn so_many_are_checked_at_once_and_others_wait() {
    let door = SUBMISSION;
    let server = door.with(&["bash", "-c", ALONE]).option("--checks 1").start();
    let gate = Gate::make(&server.file("gate"));
    let mut clients = [(); 10].map(|()| door.enter(&server));
    for tls in &mut clients {
        // Answered together: when the one is, the other has been read.
        tls.write_all(format!("NOOP\r\n{}", door.login()).as_bytes()).unwrap();
        assert_eq!(line(tls), door.ok());
    }
    gate.open(10);
    for tls in &mut clients {
        assert_eq!(line(tls), door.trouble());
    }
    drop(clients);
    server.idle_as_begun();
}

#[test]
fn who_has_no_turn_in_time_is_told_so_and_so_is_who_takes_too_long() {
    needs!("root");
    let door = SUBMISSION;
    let setup = door.with(&["bash", "-c", "exec 3<&-; exec sleep 1000"]).option("--checks 1");
    let server = with_seconds(setup, "timeoutlogin", "8\n");
    let mut clients: Vec<Tls> = (0..2).map(|_| door.enter(&server)).collect();
    // Who came first, and so must be done first, waits for the other.
    clients[1].write_all(door.login().as_bytes()).unwrap();
    server.log.wait_for(&[" attempt for bob"]);
    clients[0].write_all(door.login().as_bytes()).unwrap();
    for tls in &mut clients {
        assert_eq!(text(rest(tls)), door.timeout());
    }
    server.log.wait_for(&["checkpassword ", " timed out (bob from 127.0.0.1)"]);
    server.log.wait_for(&[" too many logins being checked, no turn in time (bob from 127.0.0.1)"]);
    drop(clients);
    server.idle_as_begun();
}

/// It may stay root all the time, and wait for the mail program, as runuser(1) does.
#[test]
fn a_chain_that_has_spoken_is_not_killed_when_the_time_for_a_login_is_over() {
    needs!("root");
    const PROGRAM: &str = "read -r -d '' user <&3; read -r -d '' password <&3; exec 3<&-
        [ \"$password\" = p ] || exec sleep 1000
        printf '%s is in\\r\\n' \"$user\"; cat; exit 1";
    for door in [SUBMISSION, POP3S] {
        let server = with_seconds(door.with(&["bash", "-c", PROGRAM]), "timeoutlogin", "3\n");
        let mut session = door.logged_in(&server);
        // When the time is over of who came later, the session's is.
        let mut hangs = door.enter(&server);
        hangs.write_all(door.wrong().as_bytes()).unwrap();
        let said = format!("{}{}", door.first(), door.timeout());
        assert_eq!(text(rest(&mut hangs)), said);
        drop(hangs);
        assert_eq!(server.log.count(" timed out (bob"), 1);
        assert_repeats(&mut session);
        close(&mut session);
        // No refusal, which the client would be told behind its session.
        assert_eq!(text(rest(&mut session)), "");
        server.log.wait_for(&["succeeded, child completed: exit code 1 (bob from 127.0.0.1)"]);
        assert_eq!(server.log.count(" failed, "), 0);
        drop(session);
        server.idle_as_begun();
    }
}

/// One that does not tell is a session once it is its user, and keeps nobody waiting.
#[test]
fn a_chain_that_does_not_tell_gives_its_turn_back() {
    needs!("root");
    let door = SUBMISSION;
    let program = "exec 3<&-; exec setpriv --reuid=4713 --clear-groups sh -c 'echo in; exec cat'";
    let server = door.with(&["bash", "-c", program]).option("--checks 1").start();
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let mut tls = door.says_login(&server);
        assert_eq!(line(&mut tls), "in\n");
        tls.write_all(b"more\n").unwrap();
        assert_eq!(line(&mut tls), "more\n");
        sessions.push(tls);
    }
    drop(sessions);
    server.idle_as_begun();
}

#[test]
fn a_program_inherits_what_it_is_to_have_and_nothing_else() {
    let server = script(
        SUBMISSION,
        "exec 3<&-; echo /proc/$$/fd/*; ulimit -n; \
         exec grep -E '^Sig(Blk|Ign)' /proc/self/status",
    );
    // Others' sessions leave it nothing.
    let _sessions: Vec<Tls> = (0..3).map(|_| SUBMISSION.enter(&server)).collect();
    let mut tls = SUBMISSION.says_login(&server);
    let said = text(rest(&mut tls));
    let mut lines = said.lines();
    let numbers = lines.next().unwrap().split_whitespace();
    let numbers = numbers.map(|path| path.rsplit('/').next().unwrap().parse::<u32>().unwrap());
    // bash has one of its own, 255, and while it looks another, 3.
    let mut numbers: Vec<_> = numbers.filter(|number| ![3, 255].contains(number)).collect();
    numbers.sort_unstable();
    // The fourth is where it may tell.
    assert_eq!((numbers.len(), &numbers[..3]), (4, &[0, 1, 2][..]), "{said}");
    let limit = lines.next().unwrap();
    for mask in lines {
        let (_, mask) = mask.split_once('\t').unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        assert_eq!(mask & !0x1_8000_0000, 0, "{said}");
    }
    assert_eq!(limit, test_support::process::limit(std::process::id(), "Max open files"));
}

/// More at once than the monitor's channel has room for, and while it hears nothing.
#[test]
fn whoever_begins_to_log_in_with_hundreds_of_others_waits_and_is_not_sent_away() {
    const MANY: usize = 500;
    let door = SUBMISSION;
    let setup = door.setup().variable("UCSPITLS", "-").option("-c 1000 --checks 8");
    let server = setup.start();
    let monitor = server.monitor();
    signal(monitor, Signal::STOP);
    let mut clients: Vec<_> = (0..MANY)
        .map(|_| {
            let mut socket = plain(&server);
            assert_eq!(line(&mut socket), "220 mail.example.org ESMTP\r\n");
            socket.write_all(format!("NOOP\r\n{}", door.login()).as_bytes()).unwrap();
            assert_eq!(line(&mut socket), door.ok());
            socket
        })
        .collect();
    signal(monitor, Signal::CONT);
    for socket in &mut clients {
        door.is_logged_in(socket);
    }
    drop(clients);
    server.idle_as_begun();
}

/// Login after login, good and bad, from many at once.
#[test]
fn nothing_is_lost_or_doubled_of_many_logins() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().option("-c 100 --checks 4").start();
        thread::scope(|scope| {
            for at in 0..60 {
                let server = &server;
                scope.spawn(move || {
                    let mut tls = door.enter(server);
                    if at % 3 == 0 {
                        tls.write_all(door.wrong().as_bytes()).unwrap();
                        if door.pop3 {
                            assert_eq!(text(rest(&mut tls)), format!("+OK \r\n{}", door.failed()));
                            return;
                        }
                        assert_eq!(line(&mut tls), door.failed());
                    }
                    let says = format!("{}{at}\r\n", door.login());
                    tls.write_all(says.as_bytes()).unwrap();
                    door.is_logged_in(&mut tls);
                    assert_eq!(line(&mut tls), format!("{at}\r\n"));
                    if at % 2 == 0 {
                        finish_sending(&mut tls);
                        assert_eq!(tls.read(&mut [0]).unwrap(), 0);
                    }
                });
            }
        });
        let good = if door.pop3 { 40 } else { 60 };
        server.idle();
        server.log.wait_for_count(" login succeeded (bob", good);
        server.log.wait_for_count("tlsserver: end ", 60);
        assert_eq!(server.log.count(" failed, "), 20);
        assert_unharmed(door, &server);
    }
}
