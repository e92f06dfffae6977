//! Where requests end and what they carry begins, in the relay dialog (`proto::relay`):
//! never a matter of what somebody else has announced.
//!
//! An honest client sends requests, messages, chunks and responses; what the last three hold
//! looks like requests, and is somebody else's. The server has each extension or not, and
//! says so; rules announce, hide and refuse as they like. Whatever they say: what reaches
//! the server as requests are the client's requests, in order, and as a message, a chunk or
//! a response what the client sent as one.

use crate::choices::Choices;
use crate::octets::Octets;
use crate::pump::{Out, Pump};
use proto::relay::RelayConfig;
use proto::relay::rules::Rules;
use proto::smtp::data::BareNewline;
use proto::ucspi_tls::Tls;
use std::cell::RefCell;
use std::collections::VecDeque;

/// What somebody else says of extensions, and refuses or promises.
const RULES: [&str; 9] = [
    ":ehlo::250*::250 CHUNKING\n",
    ":ehlo::250?CHUNKING*::\n",
    ":ehlo:NOOP :*::250 CHUNKING\n",
    ":data::354*::550 no\n",
    ":data::5*::354 go\n",
    ":data:NOOP :*::354 go\n",
    ":auth::334*::503 no\n",
    ":auth::5*::334 go\n",
    ":bdat::*::550 no\n",
];

/// What an honest client may send behind a request; nobody may take it for one.
const CARRIED: &[u8] = b"QUIT\r\nMAIL FROM:<evil>\r\nBDAT 6\r\nRSET\r\nDATA\r\nSTARTTLS\r\n";

/// What the server got.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Request(Octets),
    Carried(Octets),
}

/// What the server reads next.
#[derive(Clone, Copy)]
enum Reads {
    Request,
    Response,
    Message,
    Chunk(usize),
}

struct Server {
    chunking: bool,
    auth: bool,
    takes_data: bool,
    greeted: bool,
    reads: Reads,
    input: Vec<u8>,
    output: VecDeque<u8>,
    got: Vec<Got>,
}

impl Server {
    fn work(&mut self) {
        while let Some((got, reply)) = self.unit() {
            self.got.push(got);
            self.output.extend(reply.bytes());
        }
    }

    fn unit(&mut self) -> Option<(Got, &'static str)> {
        let end: &[u8] = if matches!(self.reads, Reads::Message) { b"\r\n.\r\n" } else { b"\r\n" };
        let ends = self.input.windows(end.len()).position(|some| some == end);
        let count = match self.reads {
            Reads::Chunk(size) => (self.input.len() >= size).then_some(size)?,
            _ => ends? + end.len(),
        };
        let octets = Octets(self.input.drain(..count).collect());
        if !matches!(self.reads, Reads::Request) {
            self.reads = Reads::Request;
            return Some((Got::Carried(octets), "250 taken\r\n"));
        }
        let line = String::from_utf8_lossy(&octets.0).to_ascii_lowercase();
        let reply = match line.split_whitespace().next().unwrap_or_default() {
            "ehlo" if self.chunking => "250-hello\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n",
            "data" if self.takes_data => {
                self.reads = Reads::Message;
                "354 go\r\n"
            }
            "auth" if self.auth => {
                self.reads = Reads::Response;
                "334 \r\n"
            }
            // Knowing the word is all it takes; what it has not offered it does not know.
            "bdat" if self.chunking && self.greeted => {
                let size = line.split_whitespace().nth(1).and_then(|size| size.parse().ok());
                self.reads = Reads::Chunk(size.unwrap_or(0));
                ""
            }
            "data" | "auth" | "bdat" => "503 no\r\n",
            _ => "250 ok\r\n",
        };
        self.greeted |= line.starts_with("ehlo");
        Some((Got::Request(octets), reply))
    }
}

/// Choices: the server's extensions; rules; then a client's unit for each octet, its upper
/// bits for how much goes together with the next.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (has, chosen) =
        (choices.octet(), u16::from(choices.octet()) | u16::from(choices.octet()) << 8);
    let chosen = RULES.iter().enumerate().filter(|(at, _)| chosen & 1 << at != 0);
    let rules: String = chosen.map(|(_, rule)| *rule).collect();
    let mut rules = Rules::parse(rules.as_bytes()).unwrap();
    rules.set_environment(|_| false);
    let config = RelayConfig {
        greeting: b"mx".to_vec(),
        rules,
        tls: Tls::Absent,
        logged_in: false,
        introduction: None,
        bare_newline: BareNewline::Pass,
    };
    let server = Server {
        chunking: has & 1 != 0,
        auth: has & 2 != 0,
        takes_data: has & 4 != 0,
        greeted: false,
        reads: Reads::Request,
        input: Vec::new(),
        output: b"220 hi\r\n".iter().copied().collect(),
        got: Vec::new(),
    };
    play(config, server, choices.rest());
}

fn play(config: RelayConfig, mut server: Server, units: &[u8]) {
    let (at_client, at_server) = (RefCell::<Vec<u8>>::default(), RefCell::<Vec<u8>>::default());
    let mut pump = Pump::new(config, (), 1024, usize::MAX, |out, octets: &[u8]| match out {
        Out::ToClient => at_client.borrow_mut().extend_from_slice(octets),
        Out::ToServer => at_server.borrow_mut().extend_from_slice(octets),
        Out::Fresh | Out::Ended(_) => {}
    });
    let (mut requests, mut carried) = (Vec::new(), Vec::new());
    let mut settle = |pump: &mut Pump<(), _>| {
        loop {
            pump.go();
            server.input.append(&mut at_server.borrow_mut());
            server.work();
            let said: Vec<u8> = server.output.drain(..).collect();
            if said.is_empty() || pump.ended {
                break;
            }
            pump.server_says(&said);
        }
    };
    settle(&mut pump);
    for (number, unit) in units.iter().take(64).enumerate() {
        if pump.ended {
            break;
        }
        let request = match unit % 6 {
            0 => format!("NOOP {number}\r\n"),
            1 => format!("EHLO {number}.example\r\n"),
            2 => "DATA\r\n".to_owned(),
            3 => "AUTH LOGIN\r\n".to_owned(),
            4 => format!("BDAT {}\r\n", CARRIED.len()),
            _ => format!("bdat {} LAST\r\n", CARRIED.len()),
        };
        requests.push(Octets(request.clone().into_bytes()));
        pump.client_says(request.as_bytes());
        if unit % 6 > 3 {
            carried.push(Octets(CARRIED.to_vec()));
            pump.client_says(CARRIED);
        }
        // What is not pipelined waits for its reply.
        if matches!(unit % 6, 0 | 4 | 5) && unit & 64 != 0 {
            continue;
        }
        settle(&mut pump);
        let told = last_code(&at_client.borrow());
        let behind = match (unit % 6, told.as_slice()) {
            (2, b"354") => [CARRIED, b".\r\n"].concat(),
            (3, b"334") => CARRIED[..6].to_vec(),
            _ => continue,
        };
        carried.push(Octets(behind.clone()));
        pump.client_says(&behind);
        settle(&mut pump);
    }
    settle(&mut pump);
    agrees(&server.got, &requests, &carried);
}

fn last_code(said: &[u8]) -> Vec<u8> {
    let lines = said.strip_suffix(b"\r\n").unwrap_or_default();
    let last = lines.rsplit(|&octet| octet == b'\n').next().unwrap_or_default();
    last.get(..3).unwrap_or_default().to_vec()
}

/// Whether the server got nothing but what the client sent, as what it was sent as, in order.
fn agrees(got: &[Got], requests: &[Octets], carried: &[Octets]) {
    let (mut requests, mut carried) = (requests.iter(), carried.iter());
    for got in got {
        match got {
            Got::Request(Octets(line)) => {
                // What a rule or the relay put before it.
                let line = line.strip_prefix(b"NOOP ").filter(|rest| !rest[0].is_ascii_digit());
                let line = line.map_or(got.octets(), |rest| {
                    rest.strip_prefix(b"fixsmtpio CHUNKING BLOCK ").unwrap_or(rest)
                });
                assert!(requests.any(|Octets(request)| request == line), "{got:?} as a request");
            }
            Got::Carried(octets) => {
                assert!(carried.any(|sent| sent == octets), "{got:?} as what a request carries");
            }
        }
    }
}

impl Got {
    fn octets(&self) -> &[u8] {
        let (Self::Request(octets) | Self::Carried(octets)) = self;
        &octets.0
    }
}
