//! Past one machine: HAProxy, with the very configuration that is shipped, in front of
//! two machines. The machines are network namespaces with the configuration's own
//! addresses; the test makes and removes them, for which it has to be root.

#![expect(clippy::expect_used, reason = "clippy sees a test only in the functions marked as one")]

mod network;
mod parts;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use acceptance::chain::{As, Chain};
use acceptance::programs::Programs;
use network::Network;
use parts::{Held, Machine, balancer, fetches, sends};
use test_support::needs::{is_installed, skipped};
use test_support::wait::until;

/// What the tests need beside the programs of this project.
const NEEDED: [&str; 7] =
    ["ip", "haproxy", "msmtp", "mpop", "openssl", "smtpfront-echo", "pop3front-maildir"];

/// Stops the clients, also when the test fails while they run.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The network, unless this is no place for it, which is said.
fn network() -> Option<Network> {
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !is_installed(name)).collect();
    let made = if missing.is_empty() {
        Network::make()
    } else {
        Err(format!("not installed: {}", missing.join(" ")))
    };
    made.inspect_err(|why| skipped("several machines", why)).ok()
}

fn programs() -> Programs {
    Programs::gather(&[Path::new(env!("CARGO_BIN_EXE_stand-in"))]).expect("the programs")
}

#[test]
fn checks_of_the_port_leave_no_trace_and_clients_are_known() {
    let Some(network) = network() else { return };
    let programs = programs();
    let chain = Chain::new(&programs, As::Root).expect("a chain");
    let machines = [1, 2].map(|number| Machine::start(&chain, &network, number));
    let _balancer = balancer(&chain, &network);
    let mut logins = 0;
    let look = || {
        sends(&chain, &network).expect("a message is sent");
        fetches(&chain, &network).expect("mail is fetched");
        logins += 2;
        // Before the last connections, of which a check may be one, are counted as begun.
        machines.iter().map(Machine::opened).sum::<usize>() - logins
    };
    let is_known = |machine: &Machine| machine.log.count(" from 192.0.2.77") > 0;
    until("six checks", look, |checks| *checks >= 6 && machines.iter().all(is_known));
    let begun: usize = machines.iter().map(|machine| machine.log.count(": pid ")).sum();
    assert_eq!(begun, logins);
    for machine in machines {
        let lines = machine.log.lines();
        let all = lines.join("\n");
        assert_eq!(machine.log.count(" from 198.51.100."), 0, "{all}");
        assert_eq!(machine.log.count("tlsserver: deny"), 0, "{all}");
        assert_eq!(machine.log.count("tlsserver: tls"), 0, "{all}");
    }
}

#[test]
fn a_machine_goes_under_load_and_no_login_fails() {
    let Some(network) = network() else { return };
    let programs = programs();
    let chain = Chain::new(&programs, As::Root).expect("a chain");
    let [one, other] = [1, 2].map(|number| Machine::start(&chain, &network, number));
    let _balancer = balancer(&chain, &network);
    let mut held = Held::log_in(&chain, &network);
    let (mut goes, stays) = if one.log.count(": pid ") > 0 { (one, other) } else { (other, one) };

    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        sends(&chain, &network)?;
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        let stops = Stops(&stop);
        let failed = || clients.iter().any(thread::ScopedJoinHandle::is_finished);
        let reach = |what: &str, condition: &dyn Fn() -> bool| {
            until(what, || condition() || failed(), |is_so| *is_so);
        };
        let more = |count| {
            let goal = done.load(Ordering::SeqCst) + count;
            reach("more messages", &|| done.load(Ordering::SeqCst) >= goal);
        };
        reach("use of both", &|| goes.log.count(": pid ") > 5 && stays.log.count(": pid ") > 5);
        goes.terminate();
        more(20);
        // What was under way there goes on, to its end.
        held.sends_a_message();
        goes.has_ended();
        more(20);
        // Back again, it is found by the checks.
        let back = Machine::start(&chain, &network, goes.number);
        reach("use of who is back", &|| back.log.count(": pid ") > 5);
        drop(stops);
        for client in clients {
            client.join().expect("a client").expect("every message is sent");
        }
    });
    for machine in [&goes, &stays] {
        assert_eq!(machine.log.count("tlsserver: tls"), 0, "{}", machine.log.lines().join("\n"));
    }
}

#[test]
fn a_machine_is_gone_and_the_next_logins_do_not_fail() {
    let Some(network) = network() else { return };
    let programs = programs();
    let chain = Chain::new(&programs, As::Root).expect("a chain");
    let machines = [1, 2].map(|number| Machine::start(&chain, &network, number));
    let _balancer = balancer(&chain, &network);
    let is_used = |machine: &Machine| machine.log.count(": pid ") > 0;
    let send = || {
        sends(&chain, &network).expect("a message is sent");
        machines.iter().all(is_used)
    };
    until("use of both", send, |are_used| *are_used);
    let [gone, stays] = machines;
    network.cut(&format!("mail{}", gone.number));
    let before = (gone.log.count(": pid "), stays.log.count(": pid "));
    for _ in 0..3 {
        sends(&chain, &network).expect("a message is sent");
    }
    assert_eq!((gone.log.count(": pid "), stays.log.count(": pid ")), (before.0, before.1 + 3));
}
