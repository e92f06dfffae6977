//! The program is on a file system that hangs. Login programs, and what else may hang:
//! [`super::login::hanging`].

use std::thread;
use test_support::hanging::Hanging;
use test_support::wait::until;

use crate::harness::Setup;
use crate::harness::client::{close, connect, goes_on, plain};

/// A connection's process begins with its program: tcpserver's begins before.
#[test]
fn d70_a_program_on_a_file_system_that_hangs_has_new_clients_wait_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap().keep();
    let what = "d70_a_program_on_a_file_system_that_hangs";
    let Some(hanging) = Hanging::mount(what, &folder, b"#!/bin/sh\nexec cat\n") else { return };
    let server = Setup::new(&[hanging.file().to_str().unwrap()]).start();
    let mut session = connect(&server);
    goes_on(&mut session);
    hanging.hang();
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(&server));
        until("program that hangs", || hanging.waiting(), |waiting| *waiting == 1);
        let _second = plain(&server);
        let second = scope.spawn(|| connect(&server));
        goes_on(&mut session);
        assert_eq!(server.log.count("tlsserver: pid "), 1);
        hanging.answer();
        for client in [first, second] {
            let mut tls = client.join().unwrap();
            goes_on(&mut tls);
            close(&mut tls);
        }
    });
    close(&mut session);
    drop(session);
    server.idle_as_begun();
}
