//! Conversations through the relay. Here is what plays them.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque as Deque;
use std::format;
use std::string::{String, ToString};

mod framing;
mod rules;
mod secrets;
mod server;
mod tls;

/// Stands for an end of ours.
const TOLD: u8 = 99;

/// What real services run.
const RULES: &str = include_str!("production-rules");

fn config(rules: &str, env: &str, tls: Tls) -> RelayConfig {
    let mut rules = Rules::parse(rules.as_bytes()).unwrap();
    rules.set_environment(|name| name == env.as_bytes());
    RelayConfig {
        greeting: b"mail.example.org".to_vec(),
        rules,
        tls,
        logged_in: env == "AUTHUP_USER",
        introduction: None,
        bare_newline: BareNewline::Pass,
    }
}

/// A relay with a driver that moves octets in memory.
struct Run {
    relay: Relay<()>,
    client_window: Vec<u8>,
    server_window: Vec<u8>,
    at_client: Vec<u8>,
    at_server: Vec<u8>,
    ended: Option<Option<u8>>,
}

impl Run {
    fn new(config: RelayConfig) -> Self {
        let (at_client, at_server) = (Vec::new(), Vec::new());
        let (client_window, server_window) = (Vec::new(), Vec::new());
        let relay = Relay::new(config, ());
        Self { relay, client_window, server_window, at_client, at_server, ended: None }
    }

    fn client(&mut self, octets: &[u8]) {
        self.client_window.extend_from_slice(octets);
        self.go();
    }

    fn server(&mut self, octets: &[u8]) {
        self.server_window.extend_from_slice(octets);
        self.go();
    }

    /// Goes on until nothing moves.
    fn go(&mut self) {
        while self.ended.is_none() {
            let moved = [self.go_client(), self.go_server(), self.flush(), self.go_turn()];
            if !moved.contains(&true) {
                return;
            }
        }
    }

    fn go_client(&mut self) -> bool {
        match self.relay.from_client(&self.client_window) {
            Take::Took(count) => {
                self.client_window.drain(..count);
                assert!(
                    count > 0
                        || !self.relay.to_server.is_empty()
                        || !self.relay.to_client.is_empty()
                );
                true
            }
            Take::Pass(count) => {
                assert!(count > 0);
                self.flush();
                self.at_server.extend(self.client_window.drain(..count));
                true
            }
            Take::NeedInput | Take::Blocked => false,
        }
    }

    fn go_server(&mut self) -> bool {
        let count = self.relay.from_server(&self.server_window);
        self.server_window.drain(..count);
        count > 0
    }

    fn flush(&mut self) -> bool {
        let (client, server) =
            (self.relay.to_client.unsent().len(), self.relay.to_server.unsent().len());
        self.at_client.extend_from_slice(self.relay.to_client.unsent());
        self.at_server.extend_from_slice(self.relay.to_server.unsent());
        self.relay.to_client().sent(client);
        self.relay.to_server().sent(server);
        client + server > 0
    }

    fn go_turn(&mut self) -> bool {
        match self.relay.turn() {
            Turn::Relay => return false,
            Turn::CheckTls => self.relay.tls_checked(true),
            Turn::StartTls => {
                self.client_window.clear();
                self.server_window.clear();
                self.at_client.extend_from_slice(b"[tls]");
                self.at_server.extend_from_slice(b"[fresh]");
                self.relay.tls_started(|name| name == b"FIXSMTPIOTLS");
            }
            Turn::End(end) => {
                self.ended = Some(match end {
                    End::Server | End::OtherProtocol(_) => None,
                    End::Code(code) => Some(code),
                    End::NotStarted | End::TurnedAway | End::LineTooLong => Some(TOLD),
                });
                return false;
            }
        }
        true
    }

    fn shown(&self) -> (String, String, Option<Option<u8>>) {
        let show = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "/");
        (show(&self.at_client), show(&self.at_server), self.ended)
    }
}

/// Plays `C: ` and `S: ` pieces (`/` stands for CRLF, `⁄` for itself) and returns what came out;
/// the same however the pieces are cut.
fn play(make: &dyn Fn() -> RelayConfig, script: &[&str]) -> (String, String, Option<Option<u8>>) {
    let run = |cut: usize, octets_each: bool| {
        let mut run = Run::new(make());
        for piece in script {
            let (who, what) = piece.split_once(": ").unwrap_or((piece, ""));
            let octets = what.replace('/', "\r\n").replace('⁄', "/").into_bytes();
            let (left, right) = octets.split_at(cut.min(octets.len()));
            let parts: Vec<&[u8]> =
                if octets_each { octets.chunks(1).collect() } else { Vec::from([left, right]) };
            match who {
                "C" => parts.iter().for_each(|part| run.client(part)),
                "S" => parts.iter().for_each(|part| run.server(part)),
                "C closes" => {
                    let left = core::mem::take(&mut run.client_window);
                    run.relay.client_closed(&left);
                    run.go();
                }
                "S closes" => {
                    let left = core::mem::take(&mut run.server_window);
                    run.relay.server_closed(&left);
                    run.go();
                }
                _ => panic!("{piece}"),
            }
        }
        run.shown()
    };
    let whole = run(usize::MAX, false);
    for cut in 0..30 {
        assert_eq!(run(cut, false), whole, "cut at {cut}");
    }
    assert_eq!(run(0, true), whole, "octet by octet");
    whole
}

fn incoming(tls: Tls) -> impl Fn() -> RelayConfig {
    move || config(RULES, "", tls)
}

fn submission() -> RelayConfig {
    config(RULES, "AUTHUP_USER", Tls::Absent)
}

fn bare() -> RelayConfig {
    config("", "", Tls::Absent)
}
