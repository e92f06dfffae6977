//! HAProxy in front, with both versions of its PROXY header.

use rustls::ClientConfig;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use test_support::needs;
use test_support::run::Master;
use test_support::server::haproxy;
use test_support::talking::reply;
use test_support::wait::until;

use crate::harness::client::{clear_rest, config, handshake, plain, secure};
use crate::harness::{Server, Setup};

struct HaProxy {
    _master: Master,
    port: u16,
}

impl HaProxy {
    /// Starts it in front of servers, each with its own way to pass addresses.
    fn start(backends: &[(&Server, &str)]) -> Self {
        Self::with("", backends)
    }

    /// The same with one more line of configuration.
    fn with(line: &str, backends: &[(&Server, &str)]) -> Self {
        // The socket is made here, so the port is known and nobody can take it.
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listening.local_addr().unwrap().port();
        let mut configuration = String::from(
            "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n\
             retries 10\n option redispatch 1\n\
             listen mail\n bind fd@0\n balance roundrobin\n",
        );
        configuration += &format!(" {line}\n");
        for (number, (server, how)) in backends.iter().enumerate() {
            configuration += &format!(" server s{number} 127.0.0.1:{} {how}\n", server.port);
        }
        let file = backends[0].0.file("haproxy.cfg");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("/usr/sbin/haproxy");
        command.stdin(std::os::fd::OwnedFd::from(listening));
        Self { _master: haproxy(&mut command, &file), port }
    }

    fn connect(&self) -> TcpStream {
        test_support::client::connect(self.port).unwrap()
    }
}

/// Answers every line with the client's address and port, until QUIT.
const SESSION: &str = "while read -r line; do echo $TCPREMOTEIP $TCPREMOTEPORT; \
                       [ \"$line\" = QUIT ] && exit 0; done";

fn server() -> Server {
    let program = ["bash", "--norc", "-c", SESSION];
    Setup::delayed(&program).option("--proxy-protocol -c 200").start()
}

/// A session of several turns; what was answered to each.
fn session(mut socket: TcpStream, config: Arc<ClientConfig>) -> std::io::Result<Vec<String>> {
    socket.write_all(b"tls\n")?;
    let mut tls = secure(socket, &config, "localhost")?;
    let mut answers = Vec::new();
    for line in ["EHLO\n", "AUTH\n", "QUIT\n"] {
        tls.write_all(line.as_bytes())?;
        answers.push(reply(&mut tls)?);
    }
    Ok(answers)
}

#[test]
fn the_client_is_known_by_either_version() {
    needs!("haproxy");
    for how in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
        let server = server();
        let proxy = HaProxy::start(&[(&server, how)]);
        let socket = proxy.connect();
        let port = socket.local_addr().unwrap().port();
        let answers = session(socket, Arc::new(config(&server))).unwrap();
        assert_eq!(answers, vec![format!("127.0.0.1 {port}\n"); 3], "{how}");
    }
}

#[test]
fn one_of_two_servers_goes_and_no_session_fails() {
    needs!("haproxy");
    let (mut one, other) = (server(), server());
    // Both show the same certificate, as servers behind one name do.
    for part in ["server.cert", "server.key"] {
        fs::copy(one.file(part), other.file(part)).unwrap();
    }
    other.reload();
    let proxy = HaProxy::start(&[(&one, "send-proxy"), (&other, "send-proxy-v2")]);
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let config = Arc::new(config(&one));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        let answers = session(proxy.connect(), config.clone())?;
                        assert_eq!(answers.len(), 3);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok::<_, std::io::Error>(())
                })
            })
            .collect();
        let failed = || workers.iter().any(|one| one.is_finished());
        let reach = |count| {
            let is_reached = |done: &usize| *done >= count || failed();
            until("more sessions", || done.load(Ordering::SeqCst), is_reached);
        };
        reach(50);
        one.terminate();
        reach(done.load(Ordering::SeqCst) + 50);
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().unwrap().unwrap();
        }
    });
    assert!(one.log.count("pid") > 0 && other.log.count("pid") > 0);
    for server in [&one, &other] {
        assert_eq!(server.log.count("handshake failed"), 0, "{:#?}", server.log.lines());
    }
}

#[test]
fn a_check_that_talks_is_served_by_the_program() {
    needs!("haproxy", "mailfront");
    for how in ["send-proxy", "send-proxy-v2"] {
        let program = ["mailfront", "smtp", "echo", "starttls-ucspi"];
        let greeting = "mail.example.org";
        let setup = Setup::new(&program).option("-n --proxy-protocol");
        let server = setup.variable("SMTPGREETING", greeting).variable("UCSPITLS", "").start();
        let check = format!("{how} check inter 1s");
        let talks = "option smtpchk EHLO balancer.example.org\n timeout check 30s";
        let proxy = HaProxy::with(talks, &[(&server, &check)]);
        server.log.wait_for(&["pid ", " from 127.0.0.1"]);
        server.log.wait_for(&["end ", " status 0"]);
        // It passes: a server that is down would not be connected to.
        server.log.wait_for_count("status 0", 3);
        let reply = reply(&mut proxy.connect()).unwrap();
        assert!(reply.starts_with("220 mail.example.org"), "{reply}");
    }
}

#[test]
fn who_sends_no_header_takes_no_clients_place() {
    let server = Setup::delayed(&["cat"]).option("--proxy-protocol -c 2").start();
    let silent = plain(&server);
    let session = || {
        let mut socket = plain(&server);
        socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\ntls\n").unwrap();
        handshake(&server, socket).unwrap()
    };
    let (one, _other) = (session(), session());
    assert_eq!(server.log.count("no header in time"), 0, "it had to make room");
    // Now there is no place, and the next one waits for it.
    let mut waiting = plain(&server);
    waiting.write_all(b"PROXY TCP4 192.0.2.8 192.0.2.1 4321 587\r\ntls\n").unwrap();
    // The headers of those who came before are looked at first, and in time.
    server.log.wait_for(&["deny from 127.0.0.1: PROXY: no header in time"]);
    assert_eq!(server.log.count("pid "), 2);
    drop((one, silent));
    handshake(&server, waiting).unwrap();
    assert_eq!(server.log.count("status: 3/2"), 0);
}

/// As one does whose connection comes a moment later, and is not accepted until then.
#[test]
fn who_has_a_header_while_there_is_no_engine_waits_for_one() {
    let setup = Setup::delayed(&["cat"]).option("--proxy-protocol --engines 1");
    let Some((setup, hanging)) = setup.certificate_that_hangs() else { return };
    let server = setup.start();
    let denied = |count| server.log.wait_for_count("PROXY: not a header", count);
    let [mut waiting, mut late, mut wrong] = [(); 3].map(|()| plain(&server));
    wrong.write_all(b"EHLO\r\n").unwrap();
    // The others have been accepted by then.
    denied(1);
    hanging.hang();
    server.loses("keyholder", server.keyholder());
    waiting.write_all(b"PROXY TCP4 192.0.2.8 192.0.2.1 4321 587\r\ntls\n").unwrap();
    late.write_all(b"EHLO\r\n").unwrap();
    // The header has been read by then.
    denied(2);
    hanging.answer();
    handshake(&server, waiting).unwrap();
    server.log.wait_for(&["pid ", " from 192.0.2.8"]);
    assert_eq!(server.log.count("the engine is gone"), 0);
}

/// One has a header and no place, the other no header.
#[test]
fn who_waits_when_the_server_ends_is_in_the_log() {
    let mut server = Setup::delayed(&["cat"]).option("--proxy-protocol -c 2").start();
    let sessions = [(); 2].map(|()| {
        let mut socket = plain(&server);
        socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\ntls\n").unwrap();
        handshake(&server, socket).unwrap()
    });
    let silent = plain(&server);
    let mut waiting = plain(&server);
    waiting.write_all(b"PROXY TCP4 192.0.2.8 192.0.2.1 4321 587\r\n").unwrap();
    // They have been looked at by then.
    server.reload();
    server.terminate();
    for address in ["127.0.0.1", "192.0.2.8"] {
        let line = format!("tlsserver: deny from {address}: the server is shutting down");
        server.log.wait_for(&[&line]);
    }
    drop((sessions, silent, waiting));
}

#[test]
fn only_a_load_balancer_is_heard() {
    let stranger = Setup::delayed(&["cat"]).option("--proxy-protocol=192.0.2.0/24,::1").start();
    let mut socket = plain(&stranger);
    let _ = socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\n");
    assert_eq!(clear_rest(socket), b"");
    stranger.log.wait_for(&["deny from 127.0.0.1: PROXY: address not in --proxy-protocol"]);
    assert_eq!(stranger.log.count("192.0.2.7"), 0);
    let known = Setup::delayed(&["cat"]).option("--proxy-protocol=127.0.0.0/8").start();
    let mut socket = plain(&known);
    socket.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\n").unwrap();
    known.log.wait_for(&["pid ", " from 192.0.2.7"]);
}
