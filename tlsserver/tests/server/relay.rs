//! What passes between a client and a program through TLS.

use crate::harness::client::{
    after_line, begin, clear_rest, close, config, config_for, connect, finish_sending, plain,
    reset, rest, secure,
};
use crate::harness::{Server, Setup, certificate, first_certificate};
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::sync::Arc;
use test_support::service::write_controls;

const MEGABYTES: usize = 8 << 20;

/// Octets in which a lost or doubled piece shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at / 251) ^ at) as u8).collect()
}

#[test]
fn everything_arrives_both_ways_at_once() {
    for server in [Setup::new(&["cat"]).start(), Setup::delayed(&["cat"]).start()] {
        let mut tls = connect(&server);
        let sent = pattern(100_000);
        tls.write_all(&sent).unwrap();
        let mut got = vec![0; sent.len()];
        tls.read_exact(&mut got).unwrap();
        assert!(got == sent);
        close(&mut tls);
        server.idle();
    }
}

#[test]
fn a_program_that_ends_leaves_nothing_behind_in_the_pipe() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pattern(MEGABYTES)).unwrap();
    let server = Setup::new(&["cat", file.path().to_str().unwrap()]).start();
    let mut tls = connect(&server);
    server.log.wait_for(&["pid"]);
    assert!(rest(&mut tls) == pattern(MEGABYTES));
    drop(tls);
    server.idle();
}

#[test]
fn a_client_that_has_sent_all_still_gets_the_answer() {
    let server = Setup::new(&["sha256sum"]).start();
    let mut tls = connect(&server);
    tls.write_all(&pattern(MEGABYTES)).unwrap();
    finish_sending(&mut tls);
    let answer = String::from_utf8(rest(&mut tls)).unwrap();
    let hash = rustls_hash(&pattern(MEGABYTES));
    assert_eq!(answer.split(' ').next().unwrap(), hash);
}

fn rustls_hash(octets: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn a_program_that_closed_its_output_can_still_read() {
    let server = Setup::new(&["bash", "--norc", "-c", "exec >&-; wc -c >&2"]).start();
    let mut tls = connect(&server);
    assert_eq!(rest(&mut tls), b"");
    tls.write_all(&pattern(100_000)).unwrap();
    finish_sending(&mut tls);
    server.log.wait_for(&["100000"]);
}

#[test]
fn a_slow_reader_makes_the_program_wait_and_gets_all() {
    let server =
        Setup::new(&["bash", "--norc", "-c", "head -c 8388608 /dev/zero; echo all >&2"]).start();
    let mut tls = connect(&server);
    let mut first = [0];
    tls.read_exact(&mut first).unwrap();
    // What does not fit anywhere is still with the program: it cannot have ended.
    assert_eq!(server.log.count("all"), 0);
    assert_eq!(rest(&mut tls).len(), MEGABYTES - 1);
    server.log.wait_for(&["all"]);
}

#[test]
fn the_program_knows_what_was_negotiated() {
    for (version, protocol) in [(&TLS13, "TLSv1.3"), (&TLS12, "TLSv1.2")] {
        for server in [
            Setup::new(&["env"]).variable("SSL_CIPHER", "stale").start(),
            Setup::delayed(&["env"]).variable("SSL_CIPHER", "stale").start(),
        ] {
            let config = Arc::new(config_for(&server, &[version]));
            let mut tls = secure(begin(&server), &config, "localhost").unwrap();
            let text = String::from_utf8(rest(&mut tls)).unwrap();
            let value = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                    .unwrap_or("")
            };
            assert_eq!(value("SSL_PROTOCOL"), protocol);
            let tls13 = protocol == "TLSv1.3";
            let cipher =
                if tls13 { "TLS_AES_128_GCM_SHA256" } else { "ECDHE-ECDSA-AES256-GCM-SHA384" };
            assert_eq!(value("SSL_CIPHER"), cipher);
            assert_eq!(value("SSL_TLS_SNI_SERVERNAME"), "localhost");
            assert_eq!(value("PROTO"), "TCP");
            assert_eq!(value("TCPREMOTEIP"), "127.0.0.1");
            assert_eq!(value("TCPLOCALPORT"), server.port.to_string());
            assert_eq!(value("SSLREMOTEIP"), "127.0.0.1");
            assert_eq!(value("SSLLOCALPORT"), server.port.to_string());
            let bits = if tls13 { "128" } else { "256" };
            assert_eq!(value("SSL_CIPHER_USEKEYSIZE"), bits);
            assert_eq!(value("SSL_SESSION_RESUMED"), "Initial");
            assert!(text.lines().any(|line| line == "SSL_PEER_CERT_SUBJECT="), "{text}");
            for secret in ["CERTFILE", "KEYFILE", "SSL_UID"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

#[test]
fn a_client_that_names_no_server_is_told_of_no_name() {
    let server = Setup::new(&["env"]).start();
    let tls = secure(plain(&server), &Arc::new(config(&server)), "127.0.0.1");
    assert!(!String::from_utf8(rest(&mut tls.unwrap())).unwrap().contains("SERVERNAME"));
}

#[test]
fn each_name_has_its_certificate() {
    let setup = Setup::new(&["true"]);
    let second = certificate("mx.example.org");
    second.write(setup.directory.path(), "second");
    let path = |name: &str| setup.file(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("second.cert"), path("second.key"));
    let setup =
        setup.variable("CERTFILE:mx.example.org", cert).variable("KEYFILE:mx.example.org", key);
    let mut server = setup.start();
    let first = server.certificate.clone();
    let second = first_certificate(second.certificate.as_bytes());
    for (name, expected) in [
        ("localhost", &first),
        ("mx.example.org", &second),
        ("MX.example.ORG", &second),
        ("127.0.0.1", &first),
    ] {
        server.certificate = expected.clone();
        let tls = secure(plain(&server), &Arc::new(config(&server)), name).unwrap();
        assert_eq!(&tls.conn.peer_certificates().unwrap()[0], expected, "{name}");
    }
}

/// In place of one label, the first, as in a certificate (RFC 6125, 6.4.3).
#[test]
fn a_pattern_is_for_each_name_that_its_certificate_is_for() {
    let setup = Setup::new(&["true"]);
    let add = |setup: Setup, name: &str, file: &str| {
        let pem = certificate(name);
        pem.write(setup.directory.path(), file);
        let path = |end: &str| setup.file(&format!("{file}.{end}")).to_str().unwrap().to_owned();
        let (cert, key) = (path("cert"), path("key"));
        let setup = setup.variable(&format!("CERTFILE:{name}"), cert);
        let setup = setup.variable(&format!("KEYFILE:{name}"), key);
        (setup, first_certificate(pem.certificate.as_bytes()))
    };
    let (setup, one) = add(setup, "mx.example.org", "one");
    let (setup, any) = add(setup, "*.Example.org", "any");
    let mut server = setup.start();
    let first = server.certificate.clone();
    for (name, expected) in [
        ("mail.example.org", &any),
        ("MX2.EXAMPLE.ORG", &any),
        ("mx.example.org", &one),
        ("localhost", &first),
    ] {
        server.certificate = expected.clone();
        let tls = secure(plain(&server), &Arc::new(config(&server)), name).unwrap();
        assert_eq!(&tls.conn.peer_certificates().unwrap()[0], expected, "{name}");
    }
}

#[test]
fn the_post_quantum_hybrid_is_preferred() {
    let server = Setup::new(&["true"]).start();
    let tls = connect(&server);
    let group = tls.conn.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

/// How six handshakes of one client went, all open at the same time.
fn six_handshakes(
    server: &Server,
    version: &'static SupportedProtocolVersion,
) -> Vec<HandshakeKind> {
    let config = Arc::new(config_for(server, &[version]));
    let mut open = Vec::new();
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let mut tls = secure(plain(server), &config, "localhost").unwrap();
        // The tickets of TLS 1.3 come with the first octets.
        assert_eq!(rest(&mut tls), b"hello\n");
        kinds.push(tls.conn.handshake_kind().unwrap());
        open.push(tls);
    }
    kinds
}

#[test]
fn a_session_is_resumed_by_the_engine_that_began_it() {
    for version in [&TLS13, &TLS12] {
        let server = Setup::new(&["echo", "hello"]).option("--engines 1").start();
        let mut kinds = six_handshakes(&server, version);
        assert_eq!(kinds.remove(0), HandshakeKind::Full);
        assert_eq!(kinds, [HandshakeKind::Resumed; 5], "{version:?}");
    }
}

#[test]
fn no_session_is_resumed_by_another_engine() {
    let server = Setup::new(&["echo", "hello"]).option("--engines 6").start();
    for version in [&TLS13, &TLS12] {
        // Each meets an engine of its own, as each gets its share.
        assert_eq!(six_handshakes(&server, version), [HandshakeKind::Full; 6], "{version:?}");
        server.idle();
    }
}

#[test]
fn no_session_is_resumed_where_there_are_no_tickets() {
    for version in [&TLS13, &TLS12] {
        let server = Setup::new(&["echo", "hello"]).option("--engines 1 --no-tickets").start();
        assert_eq!(six_handshakes(&server, version), [HandshakeKind::Full; 6], "{version:?}");
    }
}

#[test]
fn aes_128_is_preferred() {
    let server = Setup::new(&["true"]).start();
    let suite = connect(&server).conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
}

/// Whether a client is served that names these by ALPN.
fn is_served(server: &Server, protocols: &[&str]) -> bool {
    let mut config = config(server);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    secure(plain(server), &Arc::new(config), "localhost").is_ok()
}

const OTHER_PROTOCOL: &str = "handshake failed: client offers only other protocols by ALPN";

#[test]
fn d76_a_protocol_that_is_not_mails_is_refused() {
    let server = Setup::new(&["echo", "hello"]).start();
    for (protocol, accepted) in
        [("smtp", true), ("esmtp", true), ("pop3", true), ("imap", true), ("h2", false)]
    {
        assert_eq!(is_served(&server, &[protocol]), accepted, "{protocol}");
    }
    server.log.wait_for(&["tls from 127.0.0.1: ", OTHER_PROTOCOL]);
}

/// Somebody on the way could send it from the one service to the other.
#[test]
fn d76_a_client_of_another_mail_protocol_is_refused_where_the_engine_speaks() {
    const OF_SMTP: &[&str] = &["smtp", "esmtp", "submission", "submissions"];
    let services = [("smtp", OF_SMTP), ("pop3", &["pop3"]), ("imap", &["imap"])];
    for (login, own) in services {
        let setup = Setup::new(&["true"]);
        let files = ["smtp", "pop3", "imap"].map(|name| format!("{name}capabilities"));
        let files = files.iter().map(|file| (file.as_str(), ""));
        let files: Vec<_> = files.chain([("me", "mail.example.org\n")]).collect();
        write_controls(setup.directory.path(), &files);
        let home = setup.directory.path().to_str().unwrap().to_owned();
        let setup = setup.variable("QMAILHOME", home).option("--login").option(login);
        let server = setup.start();
        for protocol in services.iter().flat_map(|(_, names)| *names) {
            assert_eq!(is_served(&server, &[protocol]), own.contains(protocol), "{protocol}");
            assert!(is_served(&server, &[protocol, own[0]]), "{protocol}");
        }
        assert!(is_served(&server, &[]), "{login}");
        server.log.wait_for(&["tls from 127.0.0.1: ", OTHER_PROTOCOL]);
    }
}

#[test]
fn what_was_cut_off_is_said_and_the_program_sees_its_end() {
    let server = Setup::delayed(&["wc", "-c"]).start();
    let mut tls = connect(&server);
    tls.write_all(b"half a mess").unwrap();
    // The end of the connection, but not of the TLS session.
    tls.sock.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(rest(&mut tls), b"11\n");
    server.log.wait_for(&["tls ", " from 127.0.0.1: truncated: "]);
}

#[test]
fn a_client_that_leaves_after_the_program_is_no_truncation() {
    let server = Setup::delayed(&["echo", "bye"]).start();
    let mut tls = connect(&server);
    assert_eq!(rest(&mut tls), b"bye\n");
    drop(tls);
    server.idle();
    assert_eq!(server.log.count("truncated"), 0);
}

#[test]
fn a_program_may_do_without_tls() {
    let server = Setup::delayed(&["cat"]).start();
    let mut socket = after_line(&server, "clear");
    socket.write_all(b"hello").unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(clear_rest(socket), b"hello");
    server.idle();
    assert_eq!(server.log.count("tls "), 0);
}

#[test]
fn what_follows_in_the_clear_goes_to_the_handshake() {
    let server = Setup::delayed(&["cat"]).start();
    let socket = after_line(&server, "tls\nEHLO injected");
    let answer = clear_rest(socket);
    assert!(!answer.windows(4).any(|part| part == b"EHLO"), "{answer:?}");
    server.log.wait_for(&["handshake failed: the peer does not speak TLS"]);
    server.idle();
}

/// As sslserver has it: where the program will write.
#[test]
fn a_banner_comes_before_what_the_program_writes() {
    let server = Setup::new(&["echo", "program"]).option("-Bbanner,").start();
    assert_eq!(rest(&mut connect(&server)), b"banner,program\n");
    let server = Setup::new(&["cat"]).option("-n -B banner,").start();
    let mut socket = plain(&server);
    socket.write_all(b"hello").unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(clear_rest(socket), b"banner,hello");
    assert_eq!(server.log.count("-B"), 0);
}

/// A program that ends and leaves a child, which holds all that it had until there is an end.
#[test]
fn d72_once_client_and_program_are_gone_nobody_waits_for_what_is_left_behind() {
    const PROGRAM: &[&str] = &[
        "bash",
        "--norc",
        "-c",
        r#"exec 5<&0 6<"$GO"; cat <&6 & head -c 1000000 /dev/zero; read; exit 0"#,
    ];
    for setup in [Setup::new(PROGRAM), Setup::delayed(PROGRAM)] {
        let (setup, gate) = setup.gated();
        let server = setup.start();
        // Who only says no more gets all that the program said, and an end of TLS.
        let mut half_closed = connect(&server);
        finish_sending(&mut half_closed);
        assert_eq!(rest(&mut half_closed).len(), 1_000_000);
        server.log.wait_for_count("tlsserver: end ", 1);
        // Who has heard all, and then goes, or is cut off.
        let mut goes = connect(&server);
        let mut lost = connect(&server);
        for client in [&mut goes, &mut lost] {
            client.read_exact(&mut vec![0; 1_000_000]).unwrap();
        }
        // Both programs end while the server cannot hear of it: the system tells of one.
        server.signal(Signal::STOP);
        for client in [&mut goes, &mut lost] {
            client.write_all(b"\n").unwrap();
            client.flush().unwrap();
        }
        server.wait_until_ended(2);
        server.signal(Signal::CONT);
        server.log.wait_for_count("tlsserver: end ", 3);
        close(&mut goes);
        reset(lost.sock);
        server.idle();
        drop(gate);
    }
}
