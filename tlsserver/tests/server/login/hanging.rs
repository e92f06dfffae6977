//! What hangs: a file system with the login program on it, or with something that it reads;
//! the monitor, and the listener. Nobody waits for that for longer than is said, what was there
//! before goes on, and nothing is left behind. Thousands of login programs that hang:
//! `acceptance/tests/faults`.

use rustix::process::Signal;
use std::io::{Read, Write};
use std::thread;
use test_support::hanging::Hanging;
use test_support::needs;
use test_support::wait::until;

use super::ending::{wait_until_gone, wait_until_ready};
use super::faults::{assert_unharmed, with_seconds};
use super::{Door, PROGRAM, SUBMISSION, ask, assert_repeats, line, text};
use crate::harness::client::{Tls, close, plain, rest};
use crate::harness::processes::{Process, children, signal};
use crate::harness::{Server, Setup};

const TEMPORARY: &str = "454 authup temporary authentication failure (#4.7.0)\r\n";

/// A server whose login program may be run from a file system that hangs, or read from it.
fn with_file(door: Door, program: &dyn Fn(&str) -> Vec<String>) -> Option<(Setup, Hanging)> {
    let folder = tempfile::tempdir().unwrap().keep();
    let script = format!("#!/bin/bash --norc\n{}\n", PROGRAM[3]);
    let what = thread::current().name().unwrap_or_default().to_owned();
    let hanging = Hanging::mount(&what, &folder, script.as_bytes())?;
    let words = program(hanging.file().to_str().unwrap());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some((door.with(&words), hanging))
}

fn logs_in(tls: &mut Tls, door: Door) {
    tls.write_all(door.login().as_bytes()).unwrap();
}

/// The one process of the monitor's that is about to become a login program.
fn starting(server: &Server) -> Process {
    let found = children(server.monitor());
    let mut found = found.into_iter().filter(|one| one.name == "tlsserver-monitor");
    found.next().unwrap()
}

#[test]
fn a_login_program_on_a_file_system_that_hangs_stops_logins_until_the_monitor_is_replaced() {
    let door = SUBMISSION;
    let Some((setup, hanging)) = with_file(door, &|file| vec![file.into()]) else { return };
    let server = setup.start();
    let mut session = door.logged_in(&server);
    let [mut first, mut second, mut waits] = [(); 3].map(|()| door.enter(&server));
    hanging.hang();
    logs_in(&mut first, door);
    until("program that hangs", || hanging.waiting(), |waiting| *waiting == 1);
    logs_in(&mut second, door);
    // Whoever does not log in notices nothing.
    assert_eq!(ask(&mut waits, "NOOP\r\n"), door.ok());
    drop(door.enter(&server));
    let (monitor, stuck) = (server.monitor(), starting(&server));
    server.log.wait_for(&[&format!("monitor {monitor} is stuck")]);
    server.log.wait_for(&[&format!("monitor {monitor} died: signal 9; starting another")]);
    assert_eq!([line(&mut first), line(&mut second)], [TEMPORARY, TEMPORARY]);
    assert_repeats(&mut session);
    assert_eq!(ask(&mut waits, "NOOP\r\n"), door.ok());
    // Nobody's password is checked for nobody once it answers.
    hanging.answer();
    wait_until_gone(&[stuck.pid]);
    assert_eq!(server.log.count(" attempt for bob"), 1);
    wait_until_ready(door, &server, monitor);
    door.logs_in(&mut first);
    drop((session, first, second, waits));
    assert_unharmed(door, &server);
}

#[test]
fn a_login_program_that_cannot_be_killed_keeps_its_turn_and_nobody_waiting() {
    let door = SUBMISSION;
    let reads = |file: &str| {
        let reads = format!("exec 3<&-; exec cat {file}");
        ["bash", "-c", &reads].map(str::to_owned).to_vec()
    };
    let Some((setup, hanging)) = with_file(door, &reads) else { return };
    let server = with_seconds(setup.option("--checks 1"), "timeoutlogin", "3\n");
    let mut clients = [(); 2].map(|()| door.enter(&server));
    hanging.hang();
    logs_in(&mut clients[0], door);
    until("program that hangs", || hanging.waiting(), |waiting| *waiting == 1);
    logs_in(&mut clients[1], door);
    for tls in &mut clients {
        assert_eq!(text(rest(tls)), door.timeout());
    }
    let said = server.log.wait_for(&["checkpassword ", " timed out (bob from 127.0.0.1)"]);
    server.log.wait_for(&[" too many logins being checked, no turn in time (bob"]);
    let words: Vec<&str> = said.split(' ').collect();
    let at = words.iter().position(|word| *word == "checkpassword").unwrap();
    let program: u32 = words[at + 1].parse().unwrap();
    // As many as may run do, and more might fill the machine.
    let mut late = door.enter(&server);
    logs_in(&mut late, door);
    assert_eq!(text(rest(&mut late)), door.timeout());
    assert_eq!(server.log.count(" attempt for bob"), 1);
    hanging.answer();
    wait_until_gone(&[program]);
    let mut tls = door.enter(&server);
    logs_in(&mut tls, door);
    assert_eq!(line(&mut tls), "#!/bin/bash --norc\n");
    server.log.wait_for_count(" attempt for bob", 2);
    drop((clients, late, tls));
    server.idle_as_begun();
}

#[test]
fn a_server_is_not_kept_from_its_end_by_a_monitor_that_is_stuck() {
    let door = SUBMISSION;
    let undecided = PROGRAM[3].replace("|| exit 1", "|| { cat >/dev/null; exit 1; }");
    let mut server = door.with(&["bash", "--norc", "-c", &undecided]).start();
    let mut session = door.logged_in(&server);
    let mut waits = door.enter(&server);
    waits.write_all(door.wrong().as_bytes()).unwrap();
    server.log.wait_for_count(" attempt for bob", 2);
    let own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
    let victim = server.monitor();
    signal(victim, Signal::STOP);
    server.signal(Signal::TERM);
    assert_eq!(line(&mut waits), TEMPORARY);
    assert!(server.wait().success());
    server.log.wait_for(&[&format!("monitor {victim} is stuck")]);
    assert_repeats(&mut session);
    drop((session, waits));
    wait_until_gone(&own);
}

/// One that hears nothing of its input's end, either.
#[test]
fn a_login_program_that_hangs_does_not_outlive_the_server() {
    needs!("root");
    let door = SUBMISSION;
    let setup = door.with(&["bash", "-c", "exec 3<&-; exec sleep 1000"]);
    let mut server = setup.option("--linger 1").start();
    let mut tls = door.enter(&server);
    logs_in(&mut tls, door);
    server.log.wait_for(&[" attempt for bob"]);
    let own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
    assert_eq!(own.len(), server.engines().len() + 3);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    wait_until_gone(&own);
}

#[test]
fn while_the_listener_is_stopped_sessions_go_on_and_whoever_comes_waits() {
    let door = SUBMISSION;
    let server = door.setup().start();
    let [mut session, mut tries] = [(); 2].map(|()| door.enter(&server));
    door.logs_in(&mut session);
    let mut again = door.enter(&server);
    assert_eq!(ask(&mut again, door.wrong()), door.failed());
    server.signal(Signal::STOP);
    let is_stopped = |state: &Option<char>| *state == Some('T');
    let state = || Some(test_support::process::Process::look(server.pid())?.state);
    until("listener that is stopped", state, is_stopped);
    let mut new = plain(&server);
    assert_repeats(&mut session);
    assert_eq!(ask(&mut tries, "NOOP\r\n"), door.ok());
    // Of whom the monitor has heard, it need not hear again.
    door.logs_in(&mut again);
    assert_repeats(&mut again);
    logs_in(&mut tries, door);
    close(&mut session);
    server.signal(Signal::CONT);
    door.is_logged_in(&mut tries);
    assert_repeats(&mut tries);
    assert_eq!(line(&mut new), "220 mail.example.org ESMTP\r\n");
    drop((session, again, tries));
    assert_eq!(new.write(b"QUIT\r\n").unwrap(), 6);
    assert_eq!(line(&mut new), door.bye());
    assert_eq!(new.read(&mut [0]).unwrap_or(0), 0);
    drop(new);
    assert_unharmed(door, &server);
}

/// As systemd takes one that says so for a server that serves.
#[test]
fn a_server_that_was_told_to_end_while_it_reloads_is_not_said_to_be_ready() {
    let setup = SUBMISSION.setup();
    let (setup, supervisor) = setup.supervised();
    let Some((setup, hanging)) = setup.certificate_that_hangs() else { return };
    let mut server = setup.start();
    supervisor.hears("READY=1\n");
    // It does not end before this one answers.
    let monitor = server.monitor();
    signal(monitor, Signal::STOP);
    hanging.hang();
    server.signal(Signal::HUP);
    until("keyholder that hangs", || hanging.waiting(), |waiting| *waiting == 1);
    supervisor.hears("RELOADING=1\n");
    server.signal(Signal::TERM);
    supervisor.hears("STOPPING=1\n");
    hanging.answer();
    server.log.wait_for(&["certificates reloaded"]);
    signal(monitor, Signal::CONT);
    assert_eq!(server.wait().code(), Some(0));
    supervisor.has_heard_all();
}
