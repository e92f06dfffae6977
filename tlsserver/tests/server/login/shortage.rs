//! The monitor is short of descriptors for a while.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use test_support::needs;
use test_support::wait::until;

use super::{SUBMISSION, faults::assert_unharmed};
use crate::harness::processes::{descriptors, kill};

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
