//! What goes wrong, at every stage: the connection concerned ends, the log says
//! why, the others go on, and nothing is left behind.

use rustix::net::sockopt::socket_acceptconn;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use test_support::folder::write_program;
use test_support::log::fill;
use test_support::needs;
use test_support::process::open;

mod processes;
mod reloading;

use crate::harness::client::{
    Tls, after_line, begin, clear_rest, close, connect, finish_sending, handshake, hello, plain,
    reset, rest, vanish,
};
use crate::harness::processes::{descriptors, signal, take_descriptor};
use crate::harness::{Server, Setup};

/// Both ways in which TLS can begin.
fn both(program: &[&str], options: &str) -> [Server; 2] {
    [Setup::new(program), Setup::delayed(program)].map(|setup| setup.option(options).start())
}

/// Nothing but TLS's own alert has come since the program asked for TLS.
pub(crate) fn assert_only_an_alert(octets: &[u8]) {
    let alert = octets.len() == 7 && octets.starts_with(&[0x15, 3]);
    assert!(octets.is_empty() || alert, "{octets:02x?}");
}

/// The program repeats what the client says, and ends with it.
fn still_there(tls: &mut Tls) {
    tls.write_all(b"still there").unwrap();
    finish_sending(tls);
    assert_eq!(rest(tls), b"still there");
}

/// The server still serves, and holds what it began with.
fn assert_unharmed(server: &Server) {
    still_there(&mut connect(server));
    server.idle_as_begun();
}

#[test]
fn what_is_no_hello_is_refused_in_words() {
    let sslv2 = [&[0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10][..], &[7; 37]].concat();
    let tls10 = [
        &[0x16, 3, 1, 0, 0x2f, 1, 0, 0, 0x2b, 3, 1][..],
        &[7; 32],
        &[0, 0, 4, 0, 0x2f, 0, 0xff, 1, 0],
    ]
    .concat();
    let garbage: Vec<u8> = (0..2000_u32).map(|at| (at * 167 % 251) as u8 | 0x80).collect();
    for server in both(&["cat"], "") {
        for (input, reason) in [
            (garbage.as_slice(), "handshake failed: "),
            (b"EHLO client.example.org\r\n", "handshake failed: the peer does not speak TLS"),
            (b"GET / HTTP/1.1\r\n\r\n", "handshake failed: the peer does not speak TLS"),
            (&sslv2, "handshake failed: the peer does not speak TLS"),
            (&tls10, "handshake failed: client supports nothing newer than TLS 1.1 or SHA-1"),
            (&[0x16, 3, 1, 0xff, 0xff], "handshake failed: "),
        ] {
            let failures = server.log.count("handshake failed");
            let mut socket = begin(&server);
            socket.write_all(input).unwrap();
            assert_only_an_alert(&clear_rest(socket));
            server.log.wait_for_count("handshake failed", failures + 1);
            server.log.wait_for(&["tls ", "from 127.0.0.1: ", reason]);
            server.idle();
        }
        assert_unharmed(&server);
    }
}

#[test]
fn half_a_hello_and_silence_end_in_time() {
    // Time enough for the handshakes that show that nothing is harmed.
    for server in both(&["cat"], "-t 5") {
        let hello = hello(&server);
        let silent = [0, 1, 5, hello.len() / 2, hello.len() - 1].map(|length| {
            let mut socket = begin(&server);
            socket.write_all(&hello[..length]).unwrap();
            socket
        });
        silent.into_iter().for_each(|socket| assert_only_an_alert(&clear_rest(socket)));
        server.log.wait_for_count("handshake failed: not completed within 5 s", 5);
        server.idle();
        assert_unharmed(&server);
    }
}

#[test]
fn a_peer_may_vanish_at_any_stage() {
    for server in both(&["cat"], "") {
        let hello = hello(&server);
        // At once, in the clear, within a hello, after it, and when secured: with
        // an end and without one.
        for how in [vanish, reset] {
            how(plain(&server));
            how(begin(&server));
            for length in [hello.len() / 2, hello.len()] {
                let mut socket = begin(&server);
                socket.write_all(&hello[..length]).unwrap();
                how(socket);
            }
            let mut tls = connect(&server);
            tls.write_all(b"half a mess").unwrap();
            how(tls.sock);
        }
        server.idle();
        server.log.wait_for(&["handshake failed: the peer closed the connection"]);
        server.log.wait_for(&["connection lost: "]);
        assert_unharmed(&server);
    }
}

#[test]
fn a_peer_that_reads_nothing_does_not_keep_others_waiting() {
    let server = Setup::new(&["cat", "/dev/zero"]).option("--engines 1").start();
    let mut stuck = connect(&server);
    let mut first = [0];
    stuck.read_exact(&mut first).unwrap();
    for _ in 0..3 {
        let mut other = connect(&server);
        let mut much = vec![1; 1 << 20];
        other.read_exact(&mut much).unwrap();
        assert!(much.iter().all(|&octet| octet == 0));
    }
}

#[test]
fn a_program_may_end_at_any_stage() {
    let server = Setup::delayed(&["cat"]).start();
    for (line, status) in [("exit", 7 << 8), ("crash", 9)] {
        assert_eq!(clear_rest(after_line(&server, line)), b"");
        let how = if line == "crash" { "signal 9" } else { "exit 7" };
        server.log.wait_for(&["end", &format!("status {status}: {how}")]);
        assert_eq!(clear_rest(after_line(&server, &format!("{line}-asking"))), b"");
        server.log.wait_for_count(&format!("status {status}"), 2);
        let line = format!("{line}-secured");
        let mut tls = handshake(&server, after_line(&server, &line));
        assert_eq!(rest(tls.as_mut().unwrap()), b"");
        server.log.wait_for_count(&format!("status {status}"), 3);
    }
    server.log.wait_for_count("the program ended during the handshake", 2);
    server.idle();
    assert_unharmed(&server);
}

#[test]
fn a_program_that_asks_for_something_else_is_refused() {
    let server = Setup::delayed(&["cat"]).start();
    assert_eq!(clear_rest(after_line(&server, "odd")), b"");
    server.log.wait_for(&["the program asked for 0x78, not for TLS"]);
    server.idle();
}

#[test]
fn a_program_of_an_immediate_connection_may_end_too() {
    let script = "read -r line; echo got; eval \"$line\"";
    let server = Setup::new(&["bash", "--norc", "-c", script]).start();
    for (line, status) in [("exit 7", 7 << 8), ("kill -9 $$", 9)] {
        let mut tls = connect(&server);
        tls.write_all(format!("{line}\n").as_bytes()).unwrap();
        assert_eq!(rest(&mut tls), b"got\n");
        server.log.wait_for(&["end ", &format!(" status {status}")]);
    }
    server.idle_as_begun();
}

#[test]
fn a_program_that_cannot_be_run_is_said() {
    let setup = Setup::new(&["./program"]);
    write_program(&setup.file("program"), "#!/no/such/interpreter\n");
    let mut command = setup.command();
    command.current_dir(setup.directory.path());
    let server = setup.start_as(command);
    for _ in 0..2 {
        let tls = handshake(&server, plain(&server));
        assert!(tls.is_err() || tls.unwrap().read(&mut [0]).is_err());
    }
    server.log.wait_for_count("unable to exec: ./program: No such file", 2);
    server.idle_as_begun();
}

#[test]
fn a_flood_of_handshakes_is_served_in_turn() {
    for server in both(&["cat"], "-c 10") {
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let mut tls = connect(&server);
                    close(&mut tls);
                });
            }
        });
        server.idle();
        assert_eq!(server.log.count(": status: 11/10"), 0);
        assert_unharmed(&server);
    }
}

#[test]
fn exhausted_descriptors_of_an_engine_cost_one_connection() {
    // Enough for the listener, which needs some for each start of a program; an
    // engine needs four for each connection, and has the same limit.
    let own = descriptors(Setup::delayed(&["cat"]).start().pid());
    let server = Setup::delayed(&["cat"]).option("--engines 1").start_limited(own + 16);
    let mut open = Vec::new();
    for count in 1..=8 {
        open.push(plain(&server));
        server.log.wait_for_count("pid", count);
    }
    server.log.wait_for(&["tls ", "the engine has no descriptors left"]);
    drop(open);
    server.idle();
    assert_unharmed(&server);
}

#[test]
fn exhausted_descriptors_of_the_listener_are_said_and_pass() {
    let own = {
        let probe = Setup::delayed(&["cat"]).option("--proxy-protocol").start();
        descriptors(probe.pid())
    };
    // Waiting for a PROXY header costs the listener a descriptor for each.
    let server = Setup::delayed(&["cat"]).option("--proxy-protocol").start_limited(own + 20);
    let waiting: Vec<TcpStream> = (0..30).map(|_| plain(&server)).collect();
    server.log.wait_for(&["unable to accept: Too many open files"]);
    drop(waiting);
    // Room again: the next one is served as if nothing had been.
    let served = (0..100).any(|_| {
        let mut socket = plain(&server);
        let _ = socket.write_all(b"PROXY UNKNOWN\r\nclear\n").and_then(|()| socket.write_all(b"x"));
        let _ = socket.shutdown(Shutdown::Write);
        clear_rest(socket) == b"x"
    });
    assert!(served, "{:?}", server.log.lines());
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_what_is_lost_is_counted() {
    let setup = Setup::delayed(&["cat"]).option("-v");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = setup.start_logging_to(writer.try_clone().unwrap());
    fill(&writer);
    drop(writer);

    let mut tls = connect(&server);
    server.signal(Signal::HUP);
    still_there(&mut tls);
    drop((tls, connect(&server)));
    server.log.follow(reader);
    server.log.wait_for(&["tlsserver: ", " lines lost: the log was full"]);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

/// As `pkill -HUP tlsserver` does it.
#[test]
fn a_hangup_sent_to_all_processes_reloads_and_ends_nothing() {
    let server = Setup::delayed(&["cat"]).option("-v").start();
    let mut tls = connect(&server);
    for pid in server.engines().into_iter().chain([server.keyholder()]) {
        signal(pid, Signal::HUP);
    }
    server.signal(Signal::HUP);
    server.log.wait_for(&["tlsserver: certificates reloaded"]);
    still_there(&mut tls);
    assert_eq!(server.log.count(" died: "), 0);
}

#[test]
fn a_flood_that_is_refused_is_summed_up() {
    let server = Setup::delayed(&["cat"]).option("-C 1").start();
    let _held = connect(&server);
    for _ in 0..200 {
        assert_eq!(clear_rest(plain(&server)), b"");
    }
    let why = "deny from 127.0.0.1: too many connections from this address";
    server.log.wait_for(&[why, " more)"]);
    assert!(server.log.count(why) < 120, "{:#?}", server.log.lines());
}

#[test]
fn a_socket_that_is_none_any_more_ends_the_server() {
    needs!("root");
    let mut server = Setup::new(&["cat"]).start();
    let numbers = open(server.pid()).into_keys();
    let mut descriptors = numbers.map(|number| take_descriptor(server.pid(), number));
    let is_listening = |one: &OwnedFd| socket_acceptconn(one).unwrap_or(false);
    let listening = descriptors.find(is_listening).unwrap();
    rustix::net::shutdown(&listening, rustix::net::Shutdown::Both).unwrap();
    server.log.wait_for(&["tlsserver: unable to accept: Invalid argument"]);
    assert_eq!(server.wait().code(), Some(111));
    assert_eq!(server.log.count("unable to accept"), 1);
}

#[test]
fn programs_that_end_at_once_are_all_seen() {
    const MANY: usize = 20;
    for server in both(&["cat"], "") {
        let clients: Vec<_> = (0..MANY).map(|_| connect(&server)).collect();
        server.log.wait_for_count("tlsserver: pid ", MANY);
        // A program is logged before its connection is handed over. When another begins
        // after it, the server holds nothing of it any more.
        let one_more = connect(&server);
        server.log.wait_for_count("tlsserver: pid ", MANY + 1);
        // The system tells one signal of a kind, however many there are to tell.
        server.signal(Signal::STOP);
        drop(clients);
        server.wait_until_ended(MANY);
        server.signal(Signal::CONT);
        server.log.wait_for_count("tlsserver: end ", MANY);
        drop(one_more);
        assert_unharmed(&server);
    }
}
