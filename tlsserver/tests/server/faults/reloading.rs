//! A reload in which something goes wrong: what was there before serves on. The certificate is
//! on a file system that hangs until a test has seen to what is to happen first.

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::fs;
use test_support::hanging::Hanging;
use test_support::process::Process;
use test_support::wait::until;

use super::assert_unharmed;
use crate::harness::client::{connect, goes_on, handshake, plain};
use crate::harness::processes::{kill, status};
use crate::harness::{Server, Setup};

/// Fewer descriptors than the listener needs to start an engine; enough to accept connections.
const FEW: u64 = 10;

/// A server that has been told to reload, the file system, and the keyholder that waits for it.
fn that_reloads() -> Option<(Server, Hanging, u32)> {
    let setup = Setup::new(&["cat"]).option("--engines 1");
    let (setup, hanging) = setup.certificate_that_hangs()?;
    let server = setup.start();
    let serves = server.keyholder();
    hanging.hang();
    server.signal(Signal::HUP);
    until("keyholder that hangs", || hanging.waiting(), |waiting| *waiting == 1);
    let reads = server.named("tlsserver-keyholder").into_iter().find(|pid| *pid != serves);
    Some((server, hanging, reads.unwrap()))
}

/// Has the listener hear of nothing that happens, until it goes on and hears of all at once.
fn stop(server: &Server) {
    server.signal(Signal::STOP);
    let look = || Process::look(server.pid()).map(|listener| listener.state);
    until("listener that is stopped", look, |state| *state == Some('T'));
}

/// The next reload is as any other.
fn reloads_and_is_unharmed(server: &Server, previous: u32) {
    assert_unharmed(server);
    assert_eq!(server.keyholder(), previous);
    server.reload();
    assert_unharmed(server);
    assert_ne!(server.keyholder(), previous);
}

#[test]
fn a_keyholder_that_is_ready_and_dies_does_not_take_over() {
    let Some((server, hanging, reads)) = that_reloads() else { return };
    let mut session = connect(&server);
    stop(&server);
    hanging.answer();
    // Jailed, with nothing to do but to wait for engines.
    let look = || (status(reads, "Seccomp"), Process::look(reads).map(|reads| reads.state));
    until("keyholder that is ready", look, |seen| *seen == ("2".to_owned(), Some('S')));
    kill(reads);
    server.wait_until_ended(1);
    server.signal(Signal::CONT);
    server
        .log
        .wait_for(&["the keyholder ended while it read: signal 9; keeping the previous ones"]);
    goes_on(&mut session);
    drop(session);
    let previous = server.keyholder();
    reloads_and_is_unharmed(&server, previous);
}

#[test]
fn what_a_keyholder_found_wrong_is_said_although_it_has_ended() {
    let Some((server, hanging, _)) = that_reloads() else { return };
    let key = fs::read(server.file("server.key")).unwrap();
    fs::write(server.file("server.key"), "nonsense").unwrap();
    stop(&server);
    hanging.answer();
    server.wait_until_ended(1);
    server.signal(Signal::CONT);
    server.log.wait_for(&["server.key: no private key in it; keeping the previous ones"]);
    fs::write(server.file("server.key"), key).unwrap();
    let previous = server.keyholder();
    reloads_and_is_unharmed(&server, previous);
}

#[test]
fn new_certificates_that_no_engine_can_be_started_for_leave_the_previous_ones_in_service() {
    let Some((server, hanging, _)) = that_reloads() else { return };
    let mut session = connect(&server);
    let listener = Pid::from_raw(server.pid().cast_signed());
    let usual = getrlimit(Resource::Nofile);
    prlimit(listener, Resource::Nofile, Rlimit { current: Some(FEW), ..usual }).unwrap();
    hanging.answer();
    server.log.wait_for(&["unable to start an engine: "]);
    server.log.wait_for(&["no engine could be started; keeping the previous ones"]);
    // There are no descriptors to start a program with.
    drop(handshake(&server, plain(&server)).unwrap());
    goes_on(&mut session);
    drop(session);
    prlimit(listener, Resource::Nofile, usual).unwrap();
    let engine = server.engines();
    assert_unharmed(&server);
    assert_eq!(server.engines(), engine);
    let previous = server.keyholder();
    reloads_and_is_unharmed(&server, previous);
}
