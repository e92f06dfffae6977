//! How it starts, and what prevents it: by hand, by a supervisor that passes the socket and
//! hears how far it is, and what is said to whom.

use rustix::process::Signal;
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use test_support::needs;
use test_support::run::{OwnChild, hand_over};
use test_support::server::free_port;
use test_support::service::PATH;
use test_support::wait::for_end;

use crate::harness::client::{clear_rest, connect, plain, rest};
use crate::harness::{Listening, Log, Setup};

/// By a supervisor that passes a socket of its own, which it listens on by now, by way of a
/// program.
fn activated(setup: &Setup, listen: &str, through: &[&str]) -> (Child, Log) {
    let command = setup.command();
    let mut activated = Command::new("systemd-socket-activate");
    activated.arg(format!("--listen={listen}"));
    activated.env_clear().env("PATH", PATH);
    for (name, value) in &setup.variables {
        activated.arg(format!("--setenv={name}={value}"));
    }
    activated.arg("--setenv=PATH=/usr/bin:/bin").args(through).arg(command.get_program());
    activated.args(command.get_args()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = activated.spawn().unwrap();
    let log = Log::of(child.stderr.take().unwrap());
    log.wait_for(&["Listening on"]);
    (child, log)
}

#[test]
fn a_socket_without_a_port_is_not_taken_for_one_that_clients_could_come_by() {
    needs!("systemd-socket-activate");
    let setup = Setup::new(&["true"]);
    let path = setup.file("socket");
    let (mut child, log) = activated(&setup, path.to_str().unwrap(), &[]);
    let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    log.wait_for(&["tlsserver: unable to listen: LISTEN_FDS: not a TCP socket"]);
    assert_eq!(for_end(&mut child).code(), Some(111));
}

#[test]
fn sockets_that_are_promised_and_missing_are_no_service() {
    needs!("systemd-socket-activate");
    let setup = Setup::new(&["true"]);
    let port = free_port();
    let through = ["env", "LISTEN_FDS=2"];
    let (mut child, log) = activated(&setup, &format!("127.0.0.1:{}", port.number), &through);
    let _client = std::net::TcpStream::connect(("127.0.0.1", port.number)).unwrap();
    log.wait_for(&["tlsserver: unable to listen: LISTEN_FDS: not a listening socket"]);
    assert_eq!(for_end(&mut child).code(), Some(111));
}

/// Containers take capabilities from root. Files are forbidden in another way then.
#[test]
fn it_serves_where_root_may_not_leave_the_file_system_and_says_so() {
    needs!("root");
    let setup = Setup::delayed(&["cat"]);
    let command = setup.command();
    let mut bounded = Command::new("setpriv");
    bounded.arg("--bounding-set=-sys_chroot").env_clear();
    hand_over(&mut bounded, &command);
    let server = setup.start_as(bounded);
    let said = "tlsserver: incomplete jail: the capability sys_chroot is missing";
    assert_eq!(server.log.count(said), 1);
    drop(connect(&server));
}

#[test]
fn a_supervisor_may_pass_the_socket() {
    needs!("systemd-socket-activate");
    let held = free_port();
    let port = held.number;
    let setup = Setup::new(&["env"]);
    let (child, log) = activated(&setup, &format!("127.0.0.1:{port}"), &[]);
    let server = setup.serves(Listening { child: OwnChild(child), port }, log);
    let text = String::from_utf8(rest(&mut connect(&server))).unwrap();
    assert!(
        text.contains(&format!("TCPLOCALPORT={port}\n")) && !text.contains("LISTEN_"),
        "{text}"
    );
}

/// What systemd would hear of `Type=notify`.
#[test]
fn a_supervisor_hears_how_far_it_is() {
    let (setup, supervisor) = Setup::new(&["cat"]).supervised();
    let server = setup.start();
    supervisor.hears("READY=1\n");
    server.signal(Signal::HUP);
    supervisor.hears("RELOADING=1\nMONOTONIC_USEC=");
    supervisor.hears("READY=1\n");
    // A reload that fails is over, too.
    fs::write(server.file("server.key"), "nonsense").unwrap();
    server.signal(Signal::HUP);
    supervisor.hears("RELOADING=1\n");
    supervisor.hears("READY=1\n");
    server.signal(Signal::TERM);
    supervisor.hears("STOPPING=1\n");
}

#[test]
fn what_prevents_a_start_is_said_in_one_line() {
    let setup = || Setup::new(&["true"]);
    let with = |name: &str, value: &str| setup().variable(name, value);
    let elsewhere = setup().host("192.0.2.77");
    for (setup, complaint) in [
        (
            with("CERTFILE", "/no/such/file"),
            "certificate: /no/such/file: No such file or directory",
        ),
        (with("KEYFILE", "/dev/null"), "certificate: /dev/null: not a regular file"),
        (with("SSL_UID", "nobody"), "SSL_UID: not a number"),
        (Setup::new(&["no-such-program"]), "unable to find no-such-program"),
        (elsewhere, "unable to listen: 192.0.2.77:0: Cannot assign requested address"),
    ] {
        let (code, said) = setup.fails();
        assert_eq!(code, Some(111), "{said}");
        assert!(said.starts_with(&format!("tlsserver: {complaint}")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let (code, said) = setup().option("--no-such-option").fails();
    assert_eq!(code, Some(100));
    assert!(said.contains("usage: tlsserver"), "{said}");
}

/// The reason is behind the usage, and behind the name.
#[test]
fn what_prevents_a_start_is_said_to_the_end() {
    let network = "2001:0db8:0001:0002:0003:0004:0005:0006/129";
    let (_, said) = Setup::new(&["true"]).option(&format!("--proxy-protocol={network}")).fails();
    let reason = format!(": {network}: neither an address nor ADDRESS/BITS\n");
    assert!(said.ends_with(&reason), "{said}");
    let file = format!("/{}", "ä/".repeat(400));
    let (_, said) = Setup::new(&["true"]).variable("CERTFILE", &file).fails();
    let reason = format!("tlsserver: certificate: {file}: No such file or directory\n");
    assert_eq!(said, reason);
    // Whatever it is, it is one line.
    let (_, said) = Setup::new(&["x\ntlsserver: \u{9b}\r"]).fails();
    assert_eq!(said, "tlsserver: unable to find x\\x0atlsserver: \\xc2\\x9b\\x0d\n");
}

#[test]
fn an_option_that_is_for_login_alone_is_said_to_have_no_effect() {
    let server = Setup::new(&["true"]).option("--tries 3 --checks 1 --linger 9").start();
    for option in ["--tries", "--checks", "--linger"] {
        server.log.wait_for(&[&format!("tlsserver: {option}: no effect without --login")]);
    }
}

/// By their names: what they hold may be nobody's business.
#[test]
fn d75_variables_of_sslserver_without_effect_are_named() {
    const SAID: [(&str, &str); 9] = [
        ("CIPHERS", "the cipher suites are fixed"),
        ("DHFILE", "there is no finite-field Diffie-Hellman"),
        ("CAFILE", "the chain is read from CERTFILE"),
        ("CADIR", "the chain is read from CERTFILE"),
        ("CCAFILE", "client certificates are not requested"),
        ("VERIFYDEPTH", "client certificates are not requested"),
        ("SSL_USER", "a number is read from SSL_UID"),
        ("SSL_GROUP", "a number is read from SSL_GID"),
        ("SSL_CHROOT", "the jail has a folder of its own"),
    ];
    let with = |value: &str| {
        let setup = Setup::new(&["true"]);
        SAID.iter().fold(setup, |setup, (name, _)| setup.variable(name, value)).start()
    };
    let server = with("secret");
    for (name, why) in SAID {
        server.log.wait_for_count(&format!("tlsserver: {name}: {why}"), 1);
    }
    assert_eq!(server.log.count("secret"), 0);
    // To sslserver that is as if they were not set.
    let server = with("");
    server.log.wait_for(&["status: 0/40"]);
    assert_eq!(server.log.lines().len(), 1, "{:?}", server.log.lines());
}

#[test]
fn the_journal_is_told_how_bad_it_is() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let found = std::os::unix::fs::MetadataExt::ino(&log.as_file().metadata().unwrap());
    let device = std::os::unix::fs::MetadataExt::dev(&log.as_file().metadata().unwrap());
    for (stream, mark) in [(format!("{device}:{found}"), "<3>"), ("1:1".into(), "")] {
        log.as_file().set_len(0).unwrap();
        let setup = Setup::new(&["true"]).variable("CERTFILE", "/no/such/file");
        let mut command = setup.variable("JOURNAL_STREAM", stream).command();
        let writes = fs::OpenOptions::new().append(true).open(log.path()).unwrap();
        for_end(&mut command.stdin(Stdio::null()).stderr(writes).spawn().unwrap());
        let said = fs::read_to_string(log.path()).unwrap();
        let expected = format!("{mark}tlsserver: certificate: /no/such/file: ");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn quiet_is_quiet() {
    let setup = Setup::new(&["true"]).option("-q").variable("CERTFILE", "/no/such/file");
    let (_, said) = setup.fails();
    assert_eq!(said.lines().count(), 1, "a reason not to start is said all the same");
    let server = Setup::new(&["echo", "in"]).option("-q").start();
    let mut socket = plain(&server);
    socket.write_all(b"no hello\n").unwrap();
    clear_rest(socket);
    assert_eq!(rest(&mut connect(&server)), b"in\n");
    assert!(server.log.lines().is_empty(), "{:?}", server.log.lines());
}
