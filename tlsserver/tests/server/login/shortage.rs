//! The server is short of descriptors, or of memory, for a while.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use test_support::needs;
use test_support::wait::until;

use super::{SUBMISSION, faults::assert_unharmed};
use crate::harness::processes::{descriptors, kill};
use crate::harness::tracer::Tracer;

/// It could have logged nobody in, to its end.
#[test]
fn an_engine_that_the_monitor_cannot_hear_is_replaced() {
    needs!("root");
    let server = SUBMISSION.setup().option("--engines 1").start();
    let monitor = server.monitor();
    let pid = Pid::from_raw(monitor.cast_signed());
    let began_with = descriptors(monitor);
    let had = getrlimit(Resource::Nofile);
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), ..had }).unwrap();
    kill(server.engines()[0]);
    // And the one that was started in its place.
    server.log.wait_for_count(" died: signal 9; starting another", 2);
    prlimit(pid, Resource::Nofile, had).unwrap();
    until("engine that is heard", || descriptors(monitor), |now| *now == began_with);
    SUBMISSION.log_in(&server);
    assert_unharmed(SUBMISSION, &server);
}

/// Of those who wait for many at once, poll(2) needs memory.
#[test]
fn who_has_no_memory_to_wait_with_tries_again() {
    needs!("root", "strace");
    let server = SUBMISSION.setup().option("--engines 1").start();
    let waiting = [server.pid(), server.monitor(), server.keyholder()];
    {
        // What fails is waiting for what may happen, never the pause after that.
        let _tracer = Tracer::attach(&waiting, "ppoll:error=ENOMEM:when=1+3");
        for _ in 0..3 {
            SUBMISSION.log_in(&server);
        }
        server.reload();
        SUBMISSION.log_in(&server);
    }
    assert_eq!(server.log.count(" died: "), 0);
    assert_unharmed(SUBMISSION, &server);
    assert_eq!([server.pid(), server.monitor()], waiting[..2]);
}

#[test]
fn what_there_is_no_memory_to_say_is_said_a_moment_later() {
    needs!("root", "strace");
    let server = SUBMISSION.setup().option("--engines 1").start();
    let speakers = [server.pid(), server.monitor(), server.keyholder()];
    {
        let _tracer = Tracer::attach(&speakers, "sendto:error=ENOBUFS:when=1+2");
        for _ in 0..3 {
            SUBMISSION.log_in(&server);
        }
    }
    assert_eq!(server.log.count("cannot have handshakes signed"), 0);
    assert_eq!(server.log.count(" died: "), 0);
    assert_unharmed(SUBMISSION, &server);
}
