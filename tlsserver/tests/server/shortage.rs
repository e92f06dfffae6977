//! The system is short of something for a while, here of descriptors that may be under way
//! between processes: whoever comes then is turned away, and nothing is left of it.

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::thread;
use test_support::needs;
use test_support::run::hand_over;
use unix::descriptor_passing::{channel, send};

use crate::harness::Setup;
use crate::harness::client::{clear_rest, close, connect, goes_on, handshake, plain};
use crate::harness::tracer::Tracer;

/// For whom they are counted: not for the user for whom all tests run. The server has root's
/// identity all the same, but not those powers with which they would not count.
const USER: u32 = 4720;
/// How many there may be.
const MOST: usize = 200;

#[test]
fn who_comes_while_no_descriptor_can_be_passed_on_is_turned_away() {
    needs!("root");
    let setup = Setup::new(&["cat"]).option("--engines 1");
    let server = setup.command();
    let mut limited = Command::new("setpriv");
    limited.arg(format!("--ruid={USER}"));
    limited.args(["--bounding-set=-sys_resource,-sys_admin", "prlimit"]);
    limited.arg(format!("--nofile={MOST}:{MOST}")).env_clear();
    hand_over(&mut limited, &server);
    let server = setup.start_as(limited);
    // Its program is started once its handshake is done, and never gets to the engine.
    let begun = plain(&server);
    server.log.wait_for(&["status: 1/40"]);
    let under_way = more_than_the_most();
    let tls = handshake(&server, begun);
    assert!(tls.is_err() || tls.unwrap().read(&mut [0]).is_err());
    const WHY: &str = "from 127.0.0.1: engine: Too many references";
    server.log.wait_for_count(WHY, 1);
    server.idle();
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for_count(WHY, 2);
    drop(under_way);
    let mut tls = connect(&server);
    goes_on(&mut tls);
    close(&mut tls);
    drop(tls);
    server.idle_as_begun();
}

/// Where it came to is not known, so that there could be no program for it.
#[test]
fn a_connection_that_there_is_too_little_memory_for_is_in_the_log() {
    needs!("strace");
    let server = Setup::new(&["cat"]).start();
    let tracer = Tracer::attach(&[server.pid()], "getsockname:error=ENOBUFS:when=1");
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["tlsserver: unable to accept: No buffer space available"]);
    drop(tracer);
    let mut tls = connect(&server);
    goes_on(&mut tls);
    close(&mut tls);
    drop(tls);
    server.idle_as_begun();
}

/// Has them under way until this is dropped.
fn more_than_the_most() -> (OwnedFd, OwnedFd) {
    let (ours, theirs) = channel().unwrap();
    let null = File::open("/dev/null").unwrap();
    let sends = || {
        set_thread_res_uid(Uid::from_raw(USER), Uid::ROOT, Uid::ROOT).unwrap();
        for _ in 0..=MOST / 4 {
            send(&ours, b"x", &[null.as_fd(); 4]).unwrap();
        }
    };
    thread::scope(|scope| scope.spawn(sends).join().unwrap());
    (ours, theirs)
}
