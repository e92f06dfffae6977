//! Running it: limits, rules, a load balancer's header, certificates that are read again, and
//! its end.

use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use test_support::needs;
use test_support::run::{hand_over, output, stderr};
use test_support::wait::{for_end, until};

use crate::harness::client::{
    after_line, begin, clear_rest, close, connect, goes_on, handshake, plain, rest, text,
};
use crate::harness::processes::{Process, children, signal};
use crate::harness::{Server, Setup, certificate, compile_rules, first_certificate, is_root};

fn lines_about_connections(server: &Server) -> Vec<String> {
    let lines = server.log.lines().into_iter();
    lines.map(|line| line.strip_prefix("tlsserver: ").unwrap().to_owned()).collect()
}

#[test]
fn the_log_is_tcpservers() {
    let server = Setup::delayed(&["cat"]).start();
    let mut tls = connect(&server);
    close(&mut tls);
    drop(tls);
    let _last = server.log.line(4);
    let mut lines = lines_about_connections(&server);
    let pid = lines[1].split(' ').nth(1).unwrap().to_owned();
    // Program and engine are done in either order.
    lines[3..].sort();
    assert_eq!(
        lines,
        [
            "status: 0/40".to_owned(),
            format!("pid {pid} from 127.0.0.1"),
            "status: 1/40".to_owned(),
            format!("end {pid} status 0"),
            "status: 0/40".to_owned(),
        ]
    );
}

#[test]
fn at_the_limit_the_next_one_waits() {
    let server = Setup::delayed(&["cat"]).option("-c 2").start();
    let first = connect(&server);
    let _second = connect(&server);
    let third = after_line(&server, "tls");
    server.log.wait_for(&["status: 2/2"]);
    drop(first);
    let mut tls = handshake(&server, third).unwrap();
    goes_on(&mut tls);
    assert_eq!(server.log.count("status: 3/2"), 0);
}

/// Until there is room and nobody waits: whoever gets in meanwhile changes nothing.
#[test]
fn d74_that_others_wait_at_the_limit_is_said_once() {
    const SAID: &str = "tlsserver: limit of 2 connections (-c) reached, others wait";
    let server = Setup::delayed(&["cat"]).option("-c 2").start();
    for times in 1..=3 {
        let first = connect(&server);
        let second = connect(&server);
        server.log.wait_for(&["status: 2/2"]);
        assert_eq!(server.log.count(SAID), times - 1, "nobody waited");
        let [third, fourth] = [(); 2].map(|()| after_line(&server, "tls"));
        server.log.wait_for_count(SAID, times);
        drop(first);
        let mut third = handshake(&server, third).unwrap();
        goes_on(&mut third);
        drop(second);
        let mut fourth = handshake(&server, fourth).unwrap();
        goes_on(&mut fourth);
        assert_eq!(server.log.count(SAID), times);
        drop((third, fourth));
        server.idle();
    }
}

#[test]
fn d74_behind_a_load_balancer_it_is_said_too() {
    const SAID: &str = "tlsserver: limit of 1 connections (-c) reached, others wait";
    let server = Setup::delayed(&["cat"]).option("--proxy-protocol -c 1").start();
    let comes = || {
        let mut socket = plain(&server);
        socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\ntls\n").unwrap();
        socket
    };
    for times in 1..=2 {
        let mut first = handshake(&server, comes()).unwrap();
        goes_on(&mut first);
        assert_eq!(server.log.count(SAID), times - 1, "nobody waited");
        let [second, third] = [(); 2].map(|()| comes());
        server.log.wait_for_count(SAID, times);
        drop(first);
        drop(handshake(&server, second).unwrap());
        drop(handshake(&server, third).unwrap());
        server.idle();
    }
}

#[test]
fn the_limit_for_an_address_refuses() {
    let server = Setup::delayed(&["cat"]).option("-C 2").start();
    let first = connect(&server);
    let _second = connect(&server);
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["deny from 127.0.0.1: too many connections from this address"]);
    drop(first);
    server.log.wait_for(&["end"]);
    server.wait_for_status("one less", |line| line.contains("status: 1/40"));
    drop(connect(&server));
}

#[test]
fn one_address_has_a_quarter_unless_the_rules_say_more() {
    let setup = || {
        let mut setup = Setup::delayed(&["cat"]);
        setup.options = ["-1v", "-n", "-c", "8"].map(str::to_owned).to_vec();
        setup
    };
    let server = setup().start();
    let _held = [connect(&server), connect(&server)];
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["deny from 127.0.0.1: too many connections from this address"]);
    needs!("tcprules");
    let server = setup().rules("127.0.0.1:allow,MAXCONNIP=\"3\"\n").start();
    let _held = [connect(&server), connect(&server), connect(&server)];
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["deny from 127.0.0.1: too many connections from this address"]);
}

/// As cp and rsync --inplace write: the file is short for a moment, time and again.
#[test]
fn rules_that_are_written_in_place_refuse_and_harm_nobody() {
    const CONNECTIONS: usize = 1000;
    needs!("tcprules");
    let server = Setup::delayed(&["cat"]).rules("127.0.0.1:deny\n:allow\n").start();
    let compiled = server.file("rules.cdb");
    let whole = fs::read(&compiled).unwrap();
    // Who writes may have it short whenever somebody looks.
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["deny from 127.0.0.1: rejected by rules.cdb"]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::write(&compiled, &whole).unwrap();
            }
        });
        for _ in 0..CONNECTIONS {
            assert_eq!(clear_rest(plain(&server)), b"");
        }
        done.store(true, Ordering::Relaxed);
    });
    server.log.wait_for(&["deny from 127.0.0.1: rules: ", "rules.cdb: not a file of tcprules"]);
    assert_eq!(server.log.count("tlsserver: pid "), 0, "{:#?}", server.log.lines());
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    assert!(!maps.contains("rules.cdb"), "{maps}");
}

#[test]
fn rules_of_tcprules_hold_from_one_connection_to_the_next() {
    needs!("tcprules");
    let server = Setup::new(&["env"]).rules("127.0.0.1:allow,RELAYCLIENT=\"yes\"\n:deny\n").start();
    let text = text(&mut connect(&server));
    assert!(text.contains("RELAYCLIENT=yes\n"), "{text}");

    // Written beside and moved over it, as tcprules does.
    compile_rules(server.directory.path(), "127.:deny\n:allow\n");
    assert!(handshake(&server, plain(&server)).is_err());
    server.log.wait_for(&["deny from 127.0.0.1: rejected by rules.cdb"]);

    fs::remove_file(server.file("rules.cdb")).unwrap();
    assert!(handshake(&server, plain(&server)).is_err());
    server.log.wait_for(&["deny from 127.0.0.1: rules: ", "No such file"]);
}

#[test]
fn the_options_of_deployed_run_scripts_are_served() {
    needs!("tcprules");
    let identity = if is_root() { "-u 4713 -g 4714" } else { "" };
    let setup = Setup::delayed(&["env"]).option("-e -vRl0");
    let setup = setup.rules(":allow,A=\"from the rules\"\n").option(&format!("-c 40 {identity}"));
    let server = setup.start();
    let environment = text(&mut connect(&server));
    for line in ["SSL_PROTOCOL=TLSv1.3", "TCPLOCALHOST=0", "A=from the rules"] {
        assert!(environment.lines().any(|found| found == line), "{line} in {environment}");
    }
    let server = Setup::new(&["env"]).option("-e -vRl0").start();
    let environment = text(&mut connect(&server));
    assert!(environment.contains("SSL_PROTOCOL=TLSv1.3\n"), "{environment}");
}

#[test]
fn rules_that_cannot_be_read_are_said_at_the_start() {
    for (contents, option, reason) in [
        (None, "-x", "No such file or directory"),
        (None, "-Xx", ""),
        (Some("short"), "-Xx", "not a file of tcprules"),
    ] {
        let setup = Setup::delayed(&["cat"]);
        let file = setup.file("rules.cdb");
        contents.into_iter().for_each(|octets| fs::write(&file, octets).unwrap());
        let file = file.to_str().unwrap().to_owned();
        let server = setup.option(&format!("{option} {file}")).start();
        let line = format!("tlsserver: rules: {file}: {reason}; nobody may connect");
        if reason.is_empty() {
            let _client = plain(&server);
            server.log.wait_for(&["pid "]);
            assert_eq!(server.log.count("nobody may connect"), 0, "{option}");
        } else {
            server.log.wait_for(&[&line]);
        }
    }
}

#[test]
fn missing_rules_allow_when_they_may() {
    let server = Setup::new(&["echo", "in"]).option("-X -x /no/such/rules.cdb").start();
    assert_eq!(rest(&mut connect(&server)), b"in\n");
}

#[test]
fn the_program_can_have_a_user_of_its_own() {
    needs!("root");
    for setup in [
        Setup::new(&["id"]).option("-u 4713 -g 4714"),
        Setup::new(&["id"]).option("-U").variable("UID", "4713").variable("GID", "4714"),
    ] {
        let server = setup.start();
        let text = text(&mut connect(&server));
        assert!(text.starts_with("uid=4713 gid=4714 groups=4714"), "{text}");
    }
}

#[test]
fn every_address_means_both_kinds_and_ipv4_is_ipv4() {
    let server = Setup::new(&["env"]).host("::").start();
    for (host, address) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
        let socket = TcpStream::connect((host, server.port)).unwrap();
        let mut tls = handshake(&server, socket).unwrap();
        let text = text(&mut tls);
        assert!(text.contains(&format!("TCPREMOTEIP={address}\n")), "{text}");
        server.log.wait_for(&[&format!(" from {address}")]);
    }
}

/// With a system that answers as a kernel without IPv6 does: strace has the first socket fail.
fn without_ipv6(setup: &Setup) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-qqq", "-o", "/dev/null", "-e", "trace=socket"]);
    strace.args(["-e", "inject=socket:error=EAFNOSUPPORT:when=1"]).env_clear();
    hand_over(&mut strace, &setup.command());
    strace
}

#[test]
fn every_address_is_every_ipv4_address_where_there_is_no_ipv6() {
    needs!("strace");
    for host in ["::", ":0"] {
        let setup = Setup::new(&["echo", "here"]).host(host);
        let without = without_ipv6(&setup);
        let server = setup.start_as(without);
        server.log.wait_for(&["tlsserver: no IPv6 on this machine: listening on 0.0.0.0:0"]);
        assert_eq!(rest(&mut connect(&server)), b"here\n");
    }
    for (host, option) in [("::1", "-v"), ("::", "-6")] {
        let setup = Setup::new(&["true"]).host(host).option(option);
        let ended = output(&mut without_ipv6(&setup), b"");
        assert_eq!(ended.status.code(), Some(111), "{host}");
        let said = stderr(&ended);
        assert!(said.contains(&format!("unable to listen: [{host}]:0: Address family")), "{said}");
    }
}

#[test]
fn behind_a_load_balancer_the_client_is_the_client() {
    for setup in [Setup::new(&["env"]), Setup::delayed(&["env"])] {
        let server = setup.option("--proxy-protocol -C 1").start();
        let delayed = server.delayed;
        for client in ["192.0.2.7", "192.0.2.8"] {
            let mut socket = plain(&server);
            let header = format!("PROXY TCP4 {client} 192.0.2.1 4321 587\r\n");
            let line = if delayed { "tls\n" } else { "" };
            socket.write_all(format!("{header}{line}").as_bytes()).unwrap();
            let mut tls = handshake(&server, socket).unwrap();
            let text = text(&mut tls);
            for line in [
                format!("TCPREMOTEIP={client}"),
                "TCPREMOTEPORT=4321".into(),
                "TCPLOCALIP=192.0.2.1".into(),
                "TCPLOCALPORT=587".into(),
            ] {
                assert!(text.lines().any(|found| found == line), "{line} in {text}");
            }
            server.log.wait_for(&[&format!(" from {client}")]);
        }
    }
}

#[test]
fn headers_that_are_false_short_long_or_slow_are_refused() {
    let server = Setup::new(&["echo", "in"]).option("--proxy-protocol").start();
    for (input, why) in [
        ("EHLO there, how are you\r\n", "PROXY: not a header"),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 70000 587\r\n", "PROXY: the header is malformed"),
        (&format!("PROXY {}\r\n", "x".repeat(200)), "PROXY: the header is too long"),
    ] {
        let mut socket = plain(&server);
        socket.write_all(input.as_bytes()).unwrap();
        assert_eq!(clear_rest(socket), b"");
        server.log.wait_for(&["deny from 127.0.0.1: ", why]);
    }
    let mut short = plain(&server);
    short.write_all(b"PROXY TCP4 192").unwrap();
    short.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(clear_rest(short), b"");
    server.log.wait_for(&["deny from 127.0.0.1: PROXY: the header ends early"]);
    let mut slow = plain(&server);
    slow.write_all(b"PROXY TCP4 192").unwrap();
    assert_eq!(clear_rest(slow), b"");
    server.log.wait_for(&["deny from 127.0.0.1: PROXY: no header in time"]);
    // A check of the port says nothing, and nothing is said about it.
    let lines = server.log.lines().len();
    drop(plain(&server));
    let mut socket = plain(&server);
    socket.write_all(b"PROXY UNKNOWN\r\n").unwrap();
    let mut tls = handshake(&server, socket).unwrap();
    assert_eq!(rest(&mut tls), b"in\n");
    drop(tls);
    server.idle();
    assert_eq!(server.log.count("deny"), 5, "{:?}", &server.log.lines()[lines..]);
    server.wait_until_held_as_begun();
}

#[test]
fn new_certificates_are_for_new_connections() {
    let mut server = Setup::new(&["cat"]).start();
    let mut old = connect(&server);
    let pem = certificate("localhost");
    pem.write(server.directory.path(), "server");
    server.reload();
    server.certificate = first_certificate(pem.certificate.as_bytes());
    // The first that trusts only the new one; and the old session goes on.
    drop(connect(&server));
    goes_on(&mut old);
    close(&mut old);
    drop(old);
    server.idle_as_begun();
}

#[test]
fn a_handshake_that_has_begun_is_finished_with_the_old_certificates() {
    for setup in [Setup::new(&["cat"]), Setup::delayed(&["cat"])] {
        let server = setup.start();
        let begun = begin(&server);
        server.log.wait_for(&["status: 1/40"]);
        certificate("localhost").write(server.directory.path(), "server");
        server.reload();
        let mut tls = handshake(&server, begun).unwrap();
        goes_on(&mut tls);
        close(&mut tls);
        drop(tls);
        server.idle_as_begun();
    }
}

#[test]
fn bad_certificates_change_nothing_but_the_log() {
    let server = Setup::new(&["echo", "in"]).start();
    let expected = fs::read(server.file("server.key")).unwrap();
    for (file, text, why) in [
        (
            "server.key",
            certificate("localhost").key,
            "does not match it; keeping the previous ones",
        ),
        ("server.key", "nonsense".into(), "no private key in it; keeping the previous ones"),
        ("server.cert", "nonsense".into(), "no certificate in it; keeping the previous ones"),
    ] {
        fs::write(server.file(file), text).unwrap();
        server.signal(Signal::HUP);
        server.log.wait_for(&["certificate: ", why]);
        assert_eq!(rest(&mut connect(&server)), b"in\n");
    }
    assert!(!server.log.lines().concat().contains(std::str::from_utf8(&expected).unwrap()));
    server.idle_as_begun();
}

/// As tcpserver does: a supervisor starts the next one only once it is gone.
#[test]
fn told_to_end_it_leaves_the_port_and_sessions_go_on() {
    for setup in [Setup::new(&["cat"]), Setup::delayed(&["cat"])] {
        let mut server = setup.start();
        let mut sessions = vec![connect(&server)];
        // With its program, it needs the server for nothing, the handshake neither.
        let beginning = server.delayed.then(|| begin(&server));
        server.log.wait_for_count("pid", 1 + usize::from(server.delayed));
        // A client that stays in its handshake does not hold it up.
        let stays = (!server.delayed).then(|| begin(&server));
        if stays.is_some() {
            server.log.wait_for(&["status: 2/40"]);
        }
        let engines = server.engines();
        server.terminate();
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
        if let Some(mut beginning) = beginning {
            beginning.flush().unwrap();
            let late = handshake(&server, beginning);
            sessions.push(late.unwrap());
        }
        for mut tls in sessions {
            tls.write_all(b"still here").unwrap();
            tls.read_exact(&mut [0; 10]).unwrap();
            close(&mut tls);
        }
        drop(stays);
        let alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
        until("engines to end with their sessions", || engines.iter().any(alive), |alive| !alive);
    }
}

/// Engines that end are what it told them to do: it said `engine: exit 0`, and exited 111.
#[test]
fn told_to_end_it_says_who_was_in_a_handshake() {
    let mut server = Setup::new(&["cat"]).start();
    let clients = [(); 2].map(|()| begin(&server));
    server.log.wait_for(&["status: 2/"]);
    server.terminate();
    let why = "handshake failed: not completed, the server is shutting down";
    server.log.wait_for_count(&format!("tlsserver: tls from 127.0.0.1: {why}"), 2);
    drop(clients);
}

/// They are connected, as the system has it, and there is no place for them.
#[test]
fn told_to_end_it_says_who_waited_to_be_accepted() {
    for setup in [Setup::new(&["cat"]), Setup::delayed(&["cat"])] {
        let mut server = setup.option("-c 1").start();
        let mut session = connect(&server);
        let waiting = [(); 2].map(|()| plain(&server));
        server.terminate();
        let line = "tlsserver: deny from 127.0.0.1: the server is shutting down";
        server.log.wait_for_count(line, 2);
        for client in waiting {
            assert_eq!(clear_rest(client), b"");
        }
        close(&mut session);
    }
}

#[test]
fn told_to_end_while_it_starts_it_ends_well() {
    // So many that not all are ready when the first is there.
    let setup = Setup::new(&["cat"]).option("--engines 40");
    let mut command = setup.command();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let server = child.id();
    let is_engine = |one: &Process| one.name == "tlsserver-engine";
    until("an engine", || children(server), |children| children.iter().any(is_engine));
    signal(server, Signal::TERM);
    assert_eq!(for_end(&mut child).code(), Some(0));
}
