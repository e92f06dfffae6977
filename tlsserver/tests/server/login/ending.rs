//! How the server ends, and what goes on when parts of it do: the monitor stays behind with
//! the sessions, and sessions do without it.

use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use super::faults::assert_unharmed;
use super::{DOORS, Door, POP3S, SUBMISSION, ask, assert_repeats, line, text};
use crate::harness::Setup;
use crate::harness::client::{Tls, clear_rest, close, finish_sending, plain, reset, rest};
use crate::harness::processes::{children, kill, signal};
use test_support::needs;
use test_support::run::hand_over;
use test_support::wait::{until, until_gone};

/// Stands for a login program that has not answered before its input has ended.
const UNDECIDED: &[&str] = &["sh", "-c", "exec 3<&-; cat >/dev/null; exit 1"];

pub(super) fn wait_until_gone(pids: &[u32]) {
    pids.iter().for_each(|&pid| until_gone(pid));
}

fn last_words(door: Door) -> String {
    door.word(
        "421 authup server shutting down (#4.3.2)\r\n",
        "-ERR [SYS/TEMP] authup server shutting down\r\n",
    )
    .to_owned()
}

#[test]
fn told_to_end_it_ends_who_has_not_begun_and_leaves_sessions_to_the_monitor() {
    for door in DOORS {
        let mut server = door.setup().start();
        let mut clear = plain(&server);
        if door.asked {
            line(&mut clear);
        }
        let mut stays = door.enter(&server);
        let mut session = door.logged_in(&server);
        server.log.wait_for(&["status: 3/40"]);
        let own = server.terminate();
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
        assert_eq!(text(rest(&mut stays)), last_words(door));
        let left = text(clear_rest(clear));
        assert_eq!(left, if door.asked { last_words(door) } else { String::new() });
        assert_repeats(&mut session);
        close(&mut session);
        drop(session);
        server.log.wait_for(&["succeeded, child completed (bob from 127.0.0.1)"]);
        server.log.wait_for(&["tlsserver: end ", " status 0"]);
        wait_until_gone(&own);
    }
}

/// The client's last octets of a handshake are under way: it takes it for done, and waits for
/// an answer.
#[test]
fn who_is_in_a_handshake_when_the_server_ends_is_told_so() {
    for door in DOORS {
        let mut server = door.setup().start();
        let mut tls = door.all_but_secure(&server);
        let own = server.terminate();
        if !door.asked {
            line(&mut tls);
        }
        assert_eq!(text(rest(&mut tls)), last_words(door));
        drop(tls);
        wait_until_gone(&own);
    }
}

/// The listener, which writes that line, waits for them no longer than it may.
#[test]
fn who_does_not_go_when_the_server_ends_is_in_the_log_all_the_same() {
    for door in DOORS {
        let mut server = door.setup().start();
        let silent = door.greeted(&server);
        let mut begins = door.greeted(&server);
        begins.write_all(if door.asked { b"NO" } else { b"\x16\x03\x01" }).unwrap();
        let secure = door.enter(&server);
        server.log.wait_for(&["status: 3/40"]);
        let own = server.terminate();
        server.log.wait_for_count("tlsserver: no login from 127.0.0.1", 3);
        drop((silent, begins, secure));
        wait_until_gone(&own);
    }
}

/// Its engine is handed the client and told of the end in the same moment.
#[test]
fn who_has_just_connected_when_the_server_ends_is_told_so() {
    let door = SUBMISSION;
    let mut server = door.setup().start();
    let engines = server.engines();
    engines.iter().for_each(|&engine| signal(engine, Signal::STOP));
    let client = plain(&server);
    server.log.wait_for(&["status: 1/40"]);
    server.terminate();
    engines.iter().for_each(|&engine| signal(engine, Signal::CONT));
    let said = format!("220 mail.example.org ESMTP\r\n{}", last_words(door));
    assert_eq!(text(clear_rest(client)), said);
    wait_until_gone(&engines);
}

/// Connected, as the system has it, and not accepted yet: there is no room.
#[test]
fn who_waits_to_be_accepted_when_the_server_ends_is_told_so() {
    let door = SUBMISSION;
    let mut server = door.setup().option("-c 2").start();
    let mut held = [(); 2].map(|()| plain(&server));
    for client in &mut held {
        line(client);
    }
    let waiting = [(); 3].map(|()| plain(&server));
    server.terminate();
    for client in waiting {
        let said = format!("220 mail.example.org ESMTP\r\n{}", last_words(door));
        assert_eq!(text(clear_rest(client)), said);
    }
    for client in held {
        assert_eq!(text(clear_rest(client)), last_words(door));
    }
}

/// Its header is there, and there is no place for it; nor will one get free.
#[test]
fn so_is_who_waits_for_a_place_behind_a_load_balancer() {
    let door = SUBMISSION;
    let setup = door.setup().variable("UCSPITLS", "-").option("--proxy-protocol -c 2");
    let mut server = setup.start();
    let enter = || {
        let mut socket = plain(&server);
        socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\n").unwrap();
        socket
    };
    let sessions = [(); 2].map(|()| {
        let mut socket = enter();
        line(&mut socket);
        door.logs_in(&mut socket);
        socket
    });
    let waiting = [enter(), enter()];
    // They have been looked at by then.
    server.reload();
    server.terminate();
    for client in waiting {
        let said = format!("220 mail.example.org ESMTP\r\n{}", last_words(door));
        assert_eq!(text(clear_rest(client)), said);
    }
    server.log.wait_for_count("tlsserver: no login from 192.0.2.7", 2);
    drop(sessions);
}

#[test]
fn sessions_that_linger_for_too_long_are_ended() {
    let door = SUBMISSION;
    let mut server = door.setup().option("--linger 1").start();
    let mut session = door.logged_in(&server);
    let own = server.terminate();
    assert!(session.read(&mut [0]).unwrap_or(0) == 0);
    wait_until_gone(&own);
    server.log.wait_for(&["tlsserver: sessions ended after SIGTERM: 1"]);
    server.log.wait_for(&["tlsserver: end "]);
}

/// In a container, say, whose filter does not know pidfd_open(2).
fn without_handles_to_processes(setup: &Setup) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-qqq", "-o", "/dev/null", "-e", "trace=pidfd_open"]);
    strace.args(["-e", "inject=pidfd_open:error=EPERM"]).env_clear();
    hand_over(&mut strace, &setup.command());
    strace
}

#[test]
fn sessions_that_linger_are_ended_where_no_handle_to_a_process_can_be_had() {
    needs!("strace");
    let door = SUBMISSION;
    let setup = door.setup().option("--linger 1");
    let without = without_handles_to_processes(&setup);
    let mut server = setup.start_as(without);
    let mut session = door.logged_in(&server);
    let own = server.terminate();
    assert!(session.read(&mut [0]).unwrap_or(0) == 0);
    wait_until_gone(&own);
    server.log.wait_for(&["tlsserver: sessions ended after SIGTERM: 1"]);
    assert_eq!(server.log.count("engines not ended"), 0);
}

/// There is nobody else who could end it: its process id may be another's by now.
#[test]
fn an_engine_that_does_not_end_itself_where_only_it_could_is_said() {
    needs!("strace");
    let door = SUBMISSION;
    let setup = door.setup().option("--linger 1 --engines 1");
    let without = without_handles_to_processes(&setup);
    let mut server = setup.start_as(without);
    let mut session = door.logged_in(&server);
    let (engine, monitor) = (server.engines()[0], server.monitor());
    signal(engine, Signal::STOP);
    server.terminate();
    server.log.wait_for(&["tlsserver: sessions ended after SIGTERM: 1"]);
    server.log.wait_for(&["tlsserver: engines not ended after SIGTERM: 1"]);
    wait_until_gone(&[monitor]);
    signal(engine, Signal::CONT);
    // What it was told, it hears then.
    assert!(session.read(&mut [0]).unwrap_or(0) == 0);
    wait_until_gone(&[engine]);
}

/// The next one has not begun them, and may not even have begun itself.
#[test]
fn sessions_of_a_monitor_that_died_linger_no_longer() {
    for is_replaced in [true, false] {
        let door = SUBMISSION;
        let mut server = door.setup().option("--linger 1").start();
        let mut session = door.logged_in(&server);
        let mut own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
        let victim = server.monitor();
        server.loses("monitor", victim);
        if is_replaced {
            wait_until_ready(door, &server, victim);
            own.push(server.monitor());
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        assert!(session.read(&mut [0]).unwrap_or(0) == 0);
        wait_until_gone(&own);
        server.log.wait_for(&["tlsserver: sessions ended after SIGTERM: "]);
        server.log.wait_for(&["tlsserver: end ", " status unknown: its monitor died"]);
    }
}

/// Says no once its input has ended, unless the password is right.
const TAKES_ITS_TIME: &[&str] = login_program!(
    r#"[ "$password" = p ] || { cat >/dev/null; exit 1; }"#,
    r#"echo "$user is in"; exec cat"#
);

/// It could have tried again, and only its engine can say that it will not.
#[test]
fn a_client_that_goes_once_the_listener_has_gone_has_its_end_in_the_log() {
    let door = SUBMISSION;
    let mut server = door.with(TAKES_ITS_TIME).option("--engines 1").start();
    let mut session = door.logged_in(&server);
    let mut goes = door.enter(&server);
    goes.write_all(door.wrong().as_bytes()).unwrap();
    server.log.wait_for_count(" attempt for bob", 2);
    server.terminate();
    reset(goes.sock);
    server.log.wait_for(&[" failed, 4 remaining (bob from 127.0.0.1)"]);
    server.log.wait_for(&["tlsserver: end ", " status 256"]);
    assert_repeats(&mut session);
    close(&mut session);
    server.log.wait_for(&["tlsserver: end ", " status 0"]);
}

/// Sent to who stays behind.
#[test]
fn a_second_sigterm_ends_sessions_at_once() {
    let door = POP3S;
    let mut server = door.setup().start();
    let mut session = door.logged_in(&server);
    let own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
    let monitor = server.monitor();
    server.terminate();
    assert_repeats(&mut session);
    signal(monitor, Signal::TERM);
    assert!(session.read(&mut [0]).unwrap_or(0) == 0);
    wait_until_gone(&own);
}

#[test]
fn a_login_that_is_looked_at_is_decided_although_the_server_ends() {
    let door = SUBMISSION;
    let mut server = door.with(UNDECIDED).start();
    let mut tls = door.says_login(&server);
    server.log.wait_for(&["attempt for bob"]);
    let own = server.terminate();
    finish_sending(&mut tls);
    assert!(text(rest(&mut tls)).starts_with(&door.failed()));
    server.log.wait_for(&[" failed, 4 remaining (bob from 127.0.0.1)"]);
    wait_until_gone(&own);
}

#[test]
fn sessions_go_on_without_the_listener() {
    let door = SUBMISSION;
    let mut server = door.setup().start();
    let mut session = door.logged_in(&server);
    let own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
    server.signal(Signal::KILL);
    server.wait();
    assert_repeats(&mut session);
    close(&mut session);
    server.log.wait_for(&["tlsserver: end ", " status 0"]);
    wait_until_gone(&own);
}

/// Who is told that the login is good has a session, and who is not has none.
#[test]
fn a_monitor_that_dies_is_replaced_and_costs_nobody_a_session() {
    for door in [SUBMISSION, POP3S] {
        let server = door.setup().start();
        let mut session = door.logged_in(&server);
        let mut tries = door.enter(&server);
        if !door.pop3 {
            assert_eq!(ask(&mut tries, door.wrong()), door.failed());
        }
        let victim = server.monitor();
        server.loses("monitor", victim);
        wait_until_ready(door, &server, victim);
        // Who was refused meanwhile had begun to log in.
        assert_eq!(server.log.count("no login from"), 0);
        assert_repeats(&mut session);
        door.logs_in(&mut tries);
        assert_repeats(&mut tries);
        drop((session, tries));
        server.log.wait_for(&["tlsserver: end ", " status unknown: its monitor died"]);
        assert_unharmed(door, &server);
    }
}

/// Each that the log says has begun has an end there, once.
#[test]
fn a_login_that_ends_with_its_monitor_has_an_end_in_the_log() {
    let door = SUBMISSION;
    let server = door.with(UNDECIDED).start();
    let tls = door.says_login(&server);
    server.log.wait_for(&["attempt for bob"]);
    let begun = server.log.wait_for(&["tlsserver: pid "]);
    let number = begun.split(' ').nth(2).unwrap().to_owned();
    let victim = server.monitor();
    kill(victim);
    let end = format!("tlsserver: end {number} status unknown: its monitor died");
    server.log.wait_for(&[&end]);
    drop(tls);
    server.log.wait_for(&[&format!("monitor {victim} died: signal 9; starting another")]);
    server.log.wait_for(&["status: 0/40"]);
    assert_eq!(server.log.count(&format!("tlsserver: end {number} ")), 1);
}

/// Until somebody can log in again.
pub(super) fn wait_until_ready(door: Door, server: &crate::harness::Server, before: u32) {
    let log_in = || {
        let mut tls = door.says_login(server);
        if door.pop3 {
            line(&mut tls);
        }
        line(&mut tls)
    };
    until("login", log_in, |said| said.starts_with("bob "));
    assert_ne!(server.monitor(), before);
}

#[test]
fn who_is_not_decided_when_the_monitor_dies_is_told_to_try_again() {
    for door in [SUBMISSION, POP3S] {
        let server = door.with(UNDECIDED).start();
        let mut tls = door.says_login(&server);
        server.log.wait_for(&["attempt for bob"]);
        kill(server.monitor());
        if door.pop3 {
            line(&mut tls);
        }
        let refused = door.word(
            "454 authup temporary authentication failure (#4.7.0)\r\n",
            "-ERR [SYS/TEMP] authup temporary authentication failure\r\n",
        );
        assert_eq!(line(&mut tls), refused);
        drop(tls);
        server.idle_as_begun();
    }
}

#[test]
fn a_monitor_that_is_stuck_is_replaced() {
    let door = SUBMISSION;
    let server = door.setup().start();
    let mut session = door.logged_in(&server);
    let mut waits = door.enter(&server);
    let victim = server.monitor();
    signal(victim, Signal::STOP);
    waits.write_all(door.login().as_bytes()).unwrap();
    server.log.wait_for(&[&format!("monitor {victim} is stuck")]);
    server.log.wait_for(&[&format!("monitor {victim} died: signal 9; starting another")]);
    assert!(line(&mut waits).starts_with("454 authup temporary"));
    assert_repeats(&mut session);
    drop((session, waits));
    assert_unharmed(door, &server);
}

#[test]
fn an_engine_that_dies_in_the_middle_of_a_login_leaves_no_session() {
    let door = SUBMISSION;
    let server = door.with(UNDECIDED).option("--engines 1").start();
    let mut tls = door.says_login(&server);
    server.log.wait_for(&["attempt for bob"]);
    let programs = children(server.monitor());
    assert_eq!(programs.len(), 1);
    kill(server.engines()[0]);
    assert_eq!(tls.read(&mut [0]).unwrap_or(0), 0);
    // What it is given to read has ended.
    wait_until_gone(&[programs[0].pid]);
    server.log.wait_for(&[" failed, 4 remaining (bob from 127.0.0.1)"]);
    drop(tls);
    server.idle_as_begun();
}

#[test]
fn a_reload_leaves_sessions_and_logins_alone() {
    let door = SUBMISSION;
    let server = door.setup().option("--engines 1").start();
    let monitor = server.monitor();
    let mut clients: Vec<Tls> = (0..4).map(|_| door.enter(&server)).collect();
    door.logs_in(&mut clients[0]);
    for round in 1..4 {
        server.signal(Signal::HUP);
        server.log.wait_for_count("certificates reloaded", round);
        door.logs_in(&mut clients[round]);
        clients.iter_mut().take(round + 1).for_each(assert_repeats);
    }
    assert_eq!(server.monitor(), monitor);
    drop(clients);
    assert_unharmed(door, &server);
}
