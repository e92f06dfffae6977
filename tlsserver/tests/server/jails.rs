//! That the jailed processes are: what they may not do, who they are, who has the key.
//!
//! A jailed process cannot be asked to break out, so a process of the same make is
//! let loose in the same jail, and the running ones are looked at from outside.

use std::any::Any;
use std::fs;
use std::process::Command;
use test_support::needs;

use crate::harness::client::connect;
use crate::harness::processes::{children, signal, status};
use crate::harness::{Server, Setup};
use crate::login::server_with_clients;
use test_support::process::{assert_powerless, contains, is_jailed, limit, memory, open, target};
use test_support::run::{output, stderr};
use test_support::wait::until;

/// A server that leaves its clients to a program, and one that talks to them itself; with
/// what keeps the sessions.
fn servers_with_sessions() -> [(Server, Box<dyn Any>); 2] {
    let server = Setup::delayed(&["cat"]).start();
    let tls = connect(&server);
    let (login, secured, clear) = server_with_clients();
    [(server, Box::new(tls)), (login, Box::new((secured, clear)))]
}

fn jailed(server: &Server) -> Vec<u32> {
    [server.engines(), vec![server.keyholder()]].concat()
}

#[test]
fn privileges_and_limits_are_given_up() {
    for (server, _sessions) in servers_with_sessions() {
        for pid in jailed(&server) {
            assert!(is_jailed(pid), "a filter is in force");
            assert_eq!(status(pid, "CoreDumping"), "0");
            assert_eq!(status(pid, "Threads"), "1");
            let limit = |name: &str| limit(pid, name).parse::<u64>().unwrap();
            for none in ["Max core file size", "Max file size", "Max processes"] {
                assert_eq!(limit(none), 0, "{none}");
            }
            // For the 40 clients that -c allows.
            let is_engine = server.engines().contains(&pid);
            let memory = if is_engine { 256 + 40 } else { 256 };
            assert_eq!(limit("Max data size"), memory << 20);
            let descriptors = if is_engine { 64 + 8 * 40 } else { 1024 };
            assert_eq!(limit("Max open files"), descriptors);
        }
    }
}

#[test]
fn as_root_the_user_and_the_root_are_given_up_too() {
    needs!("root");
    for (server, _sessions) in servers_with_sessions() {
        for pid in jailed(&server) {
            assert_powerless(pid, 4711, 4712);
            let root = fs::read_link(format!("/proc/{pid}/root")).unwrap();
            // The system's own empty folder, where it has one.
            let gone = root.to_str().unwrap().ends_with(" (deleted)");
            assert!(gone || root == std::path::Path::new("/var/empty"), "{root:?}");
        }
    }
}

/// The monitor has them, as login programs need them; also one that was started later, and
/// engines still become who they are.
#[test]
fn a_listener_that_starts_no_programs_keeps_few_of_roots_powers() {
    needs!("root");
    let all = status(std::process::id(), "CapPrm");
    let [(program, _held), (login, _sessions)] = servers_with_sessions();
    let powers = |pid| ["CapPrm", "CapEff"].map(|set| status(pid, set));
    let all = [all.clone(), all];
    assert_eq!(powers(program.pid()), all);
    // DAC_READ_SEARCH, KILL, SYS_RESOURCE.
    let few = u64::from_str_radix(&all[0], 16).unwrap() & (1 << 2 | 1 << 5 | 1 << 24);
    assert_eq!(powers(login.pid()), [(); 2].map(|()| format!("{few:016x}")));
    assert_eq!(powers(login.monitor()), all);
    let (engine, monitor) = (login.engines()[0], login.monitor());
    login.loses("engine", engine);
    login.loses("monitor", monitor);
    let next = |name: &'static str, last: u32| {
        let named = || login.named(name);
        until(name, named, |pids| pids.iter().any(|pid| *pid != last)).pop().unwrap()
    };
    assert_eq!(powers(next("tlsserver-monitor", monitor)), all);
    let stuck = next("tlsserver-engine", engine);
    until("somebody else", || status(stuck, "Uid"), |uid| uid.starts_with("4711\t4711"));
    // One that is stuck is ended by the listener itself, whoever it has become.
    signal(stuck, rustix::process::Signal::STOP);
    login.log.wait_for(&[&format!("engine {stuck} died: signal 9; starting another")]);
}

#[test]
fn nobody_of_its_own_user_can_trace_it() {
    needs!("root");
    for (server, _sessions) in servers_with_sessions() {
        for pid in jailed(&server) {
            // The same user and group: only that it is not dumpable is in the way.
            let mut read = Command::new("setpriv");
            read.args(["--reuid=4711", "--regid=4712", "--clear-groups"]);
            read.args(["dd", &format!("if=/proc/{pid}/mem"), "bs=1", "count=1"]);
            let read = output(&mut read, b"");
            assert!(!read.status.success());
            let complaint = stderr(&read);
            assert!(complaint.contains("Permission denied"), "{complaint}");
        }
    }
}

#[test]
fn no_channel_leads_from_the_engine_to_a_file_or_from_the_keyholder_to_the_network() {
    needs!("root");
    for (server, _sessions) in servers_with_sessions() {
        let log = target(server.pid(), 2);
        for pid in jailed(&server) {
            assert_ne!(target(pid, 2), log, "{pid} has the log");
            for (number, target) in open(pid) {
                let harmless =
                    ["socket:", "anon_inode:[event"].iter().any(|kind| target.starts_with(kind));
                let null = target == "/dev/null" && number == 1;
                // Whose other end is closed.
                let deaf = target.starts_with("pipe:") && number == 2;
                assert!(harmless || null || deaf, "{pid}: {number} is {target}");
            }
        }
        let keyholder = server.keyholder();
        let tcp = fs::read_to_string(format!("/proc/{keyholder}/net/tcp")).unwrap();
        for target in open(keyholder).values() {
            if let Some(inode) =
                target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'))
            {
                let known = tcp.lines().any(|line| line.split_whitespace().nth(9) == Some(inode));
                assert!(!known, "the keyholder has a TCP socket");
            }
        }
    }
}

#[test]
fn the_key_is_in_the_keyholder_and_nowhere_else() {
    needs!("root");
    for (server, _sessions) in servers_with_sessions() {
        let pem = fs::read(server.file("server.key")).unwrap();
        use rustls::pki_types::PrivateKeyDer;
        use rustls::pki_types::pem::PemObject;
        let der = PrivateKeyDer::from_pem_slice(&pem).unwrap();
        // PKCS#8 of a P-256 key: the scalar is 32 octets from the 36th on.
        let scalar: Vec<u8> = der.secret_der()[36..68].to_vec();
        let reversed: Vec<u8> = scalar.iter().rev().copied().collect();
        let base64 = pem.split(|&octet| octet == b'\n').nth(1).unwrap().to_vec();
        let forms = [&scalar[..], &reversed, &base64];
        let found = |pid: u32| {
            let memory = memory(pid).unwrap();
            forms.map(|form| contains(&memory, form))
        };

        let keyholder = found(server.keyholder());
        assert!(keyholder[0] || keyholder[1], "not even where it must be: the search is blind");
        let everybody_else: Vec<_> =
            children(server.pid()).into_iter().map(|child| child.pid).collect();
        for pid in [everybody_else, vec![server.pid()]].concat() {
            if pid != server.keyholder() {
                assert_eq!(found(pid), [false; 3], "process {pid}");
            }
        }
    }
}
