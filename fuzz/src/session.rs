//! The relay dialog between any client and a server that is one: with fixsmtpio between
//! them, all is as without it.
//!
//! The client's octets are played to a server twice: at once, and through the relay, cut and
//! interleaved by chance, with both sides reading as slowly as they like. The server must receive
//! the same requests, chunks and messages, and the client the same replies in the same order, but
//! for what the list of differences says: no STARTTLS, nor an offer of it, no line that is too long
//! or that servers read differently, no lone dot, no chunk for a server that offered none, nothing
//! behind a BDAT that cannot be read or behind another protocol. And whoever looks on sees nothing
//! of an AUTH exchange.

use crate::choices::Choices;
use crate::login::{is_tls, other_protocol};
use crate::message::{End as Framing, Framed, model};
use crate::octets::Octets;
use crate::pump::{Out, Pump};
use proto::line::LONGEST;
use proto::relay::rules::Rules;
use proto::relay::{End, MAY_BE_SECRET, RelayConfig, SECRET, Seen, Watch};
use proto::smtp::data::BareNewline;
use proto::ucspi_tls::Tls;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// What a server receives.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
    Request(Octets),
    /// What stands in an AUTH exchange.
    Response(Octets),
    Message(Octets),
    Chunk(Octets),
}

/// What the server expects next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Request,
    Response,
    Message,
    Chunk(usize),
}

/// A server whose replies name what they answer; what it says beyond that is chosen
/// beforehand, so that it says the same each time.
struct Server<'a> {
    choices: &'a [u8],
    /// Whether it is about to offer CHUNKING.
    offers: bool,
    /// Whether it is about to offer STARTTLS.
    offers_tls: bool,
    /// Whether it has.
    chunking: bool,
    state: State,
    input: Vec<u8>,
    output: VecDeque<u8>,
    units: Vec<Unit>,
}

impl<'a> Server<'a> {
    fn new(choices: &'a [u8]) -> Self {
        let output = b"220 hello\r\n".iter().copied().collect();
        let (input, units) = (Vec::new(), Vec::new());
        let (offers, offers_tls, chunking, state) = (false, false, false, State::Request);
        Self { choices, offers, offers_tls, chunking, state, input, output, units }
    }

    /// What was chosen for the next unit.
    fn choice(&self) -> u8 {
        self.choices.get(self.units.len() % self.choices.len().max(1)).copied().unwrap_or(0)
    }

    /// Takes a unit from its input, if one is there.
    fn unit(&mut self) -> Option<Unit> {
        // As strict as any server is.
        let line = self.input.windows(2).position(|two| two == b"\r\n").map(|at| at + 2);
        Some(match self.state {
            State::Request => Unit::Request(self.cut(line?)),
            State::Response => Unit::Response(self.cut(line?)),
            State::Message => Unit::Message(self.cut(strict_end(&self.input)?)),
            State::Chunk(size) if self.input.len() < size => return None,
            State::Chunk(size) => Unit::Chunk(self.cut(size)),
        })
    }

    fn cut(&mut self, count: usize) -> Octets {
        Octets(self.input.drain(..count).collect())
    }

    fn work(&mut self) {
        while let Some(unit) = self.unit() {
            let choice = self.choice();
            let number = self.units.len();
            let is_good = choice % 4 != 3;
            let code = match &unit {
                Unit::Request(Octets(line)) => self.request(line, is_good),
                Unit::Response(_) if choice % 4 == 2 => "334",
                Unit::Chunk(_) => {
                    // Its BDAT is answered when it is there.
                    self.state = State::Request;
                    if is_good { "250" } else { "552" }
                }
                Unit::Response(_) | Unit::Message(_) => {
                    self.state = State::Request;
                    if is_good { "250" } else { "550" }
                }
            };
            self.units.push(unit);
            if code.is_empty() {
                continue;
            }
            for more in 0..choice / 4 % 4 {
                self.output.extend(format!("{code}-{number} line {more}\r\n").bytes());
            }
            if std::mem::take(&mut self.offers_tls) {
                self.output.extend([b"250-hello\r\n", STARTTLS].concat());
            }
            if self.offers {
                self.output.extend(b"250-hello\r\n250-CHUNKING\r\n");
                (self.offers, self.chunking) = (false, true);
            }
            self.output.extend(format!("{code} {number}\r\n").bytes());
        }
    }

    /// The code to answer a request with; none for one that a chunk follows.
    fn request(&mut self, line: &[u8], is_good: bool) -> &'static str {
        let (verb, argument) = words(line);
        match verb.as_slice() {
            b"data" if is_good => {
                self.state = State::Message;
                "354"
            }
            b"auth" if is_good => {
                self.state = State::Response;
                "334"
            }
            b"bdat" if self.chunking => {
                match chunk_size(argument).and_then(|size| usize::try_from(size).ok()) {
                    Some(0) if is_good => "250",
                    Some(0) | None => "501",
                    Some(size) => {
                        self.state = State::Chunk(size);
                        ""
                    }
                }
            }
            b"ehlo" if is_good => {
                self.offers = self.choice() & 64 != 0;
                self.offers_tls = self.choice() & 128 != 0;
                self.chunking = false;
                "250"
            }
            b"helo" if is_good => {
                self.chunking = false;
                "250"
            }
            _ if is_good => "250",
            _ => "550",
        }
    }
}

/// All that is to be the same.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    at_client: Octets,
    /// All that the server received, in units and behind the last.
    units: Vec<Unit>,
    rest: Octets,
    /// What was shown of requests.
    shown: Vec<Octets>,
}

/// Choices: how slowly both sides read; the server's; who says how much in each turn;
/// then what the client says.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let reads = choices.one_of(&[usize::MAX, 1, 7, 100]);
    let replies = choices.part();
    let turns = choices.part();
    let says = choices.rest();
    assert_eq!(relayed(says, replies, turns, reads), directly(says, replies));
}

/// The client speaks to the server, and whoever is between them does what the list of
/// differences says.
fn directly(says: &[u8], replies: &[u8]) -> Outcome {
    let mut server = Server::new(replies);
    let mut at_client = Octets(server.output.drain(..).collect());
    let mut shown = Vec::new();
    let (mut rest, mut is_behind_auth) = (says, false);
    while !rest.is_empty() {
        let (taken, sent, answer) = match server.state {
            State::Message => {
                let Framed { sent, end } = model(rest, BareNewline::Pass);
                let Framing::After(count) = end else {
                    server.input.extend(sent.0);
                    break;
                };
                (count, sent.0, None)
            }
            State::Chunk(size) => {
                let count = rest.len().min(size - server.input.len());
                (count, rest[..count].to_vec(), None)
            }
            State::Request if is_tls(rest) => break,
            State::Request | State::Response => {
                let Some(line) = line_of(rest) else { break };
                let is_response = server.state == State::Response;
                if !is_response && other_protocol(line, LONGEST).is_some() {
                    shown.push(line.into());
                    at_client.0.extend_from_slice(NO_HTTP);
                    break;
                }
                let (line_taken, sent, answer) = match request(line, is_response) {
                    Fate::Chunk(size) if !server.chunking => {
                        let noop = [b"NOOP fixsmtpio CHUNKING BLOCK ", &*strict(line)].concat();
                        let dropped = (rest.len() - line.len()).min(size);
                        (line.len() + dropped, noop, Some(NO_CHUNKING))
                    }
                    Fate::Goes | Fate::Chunk(_) => (line.len(), strict(line), None),
                    Fate::Noop(sent, answer) => (line.len(), sent, Some(answer)),
                    Fate::End => {
                        if text_of(line).len() <= LONGEST {
                            shown.push(if may_be_auth(line) { SECRET } else { line }.into());
                        }
                        at_client.0.extend_from_slice(SYNTAX);
                        break;
                    }
                };
                let is_auth = is_response || words(line).0 == b"auth";
                let is_secret = is_auth || may_be_auth(line);
                let may_belong = is_behind_auth && may_be_response(line);
                let secret = if is_secret { SECRET } else { MAY_BE_SECRET };
                let show =
                    |is_shown: bool, octets: &[u8]| (if is_shown { octets } else { secret }).into();
                if answer != Some(TOO_LONG) {
                    is_behind_auth = is_secret || may_belong;
                    shown.push(show(!is_behind_auth, line));
                }
                let is_ours =
                    sent.starts_with(b"NOOP fixsmtpio SYNTAX\r\n") || answer == Some(TOO_LONG);
                shown.push(show(!(is_auth || may_belong) || is_ours, &sent));
                (line_taken, sent, answer)
            }
        };
        server.input.extend(sent);
        server.work();
        let mut reply: Vec<u8> = server.output.drain(..).collect();
        if let Some(at) = reply.windows(STARTTLS.len()).position(|part| part == STARTTLS) {
            reply.drain(at..at + STARTTLS.len());
        }
        at_client.0.extend_from_slice(answer.unwrap_or(&reply));
        rest = &rest[taken..];
    }
    Outcome { at_client, units: server.units, rest: Octets(server.input), shown }
}

/// What the server offers, and the client does not hear of.
const STARTTLS: &[u8] = b"250-StartTLS\r\n";
const NO_CHUNKING: &[u8] = b"503 BDAT without CHUNKING (#5.5.1)\r\n";
const NO_HTTP: &[u8] = b"421 HTTP is not spoken here (#4.5.0)\r\n";
const SYNTAX: &[u8] = b"501 syntax error (#5.5.4)\r\n";
const TOO_LONG: &[u8] = b"500 line too long (#5.5.2)\r\n";

/// The line that octets begin with: all, where it is too long to end well. `None`: the
/// rest of it is missing.
fn line_of(octets: &[u8]) -> Option<&[u8]> {
    match octets.iter().position(|&octet| octet == b'\n') {
        Some(feed) => Some(&octets[..=feed]),
        None if octets.len() > LONGEST + 1 => Some(octets),
        None => None,
    }
}

/// What becomes of a line.
enum Fate {
    /// It goes on.
    Goes,
    /// It goes to a server that takes it, with a chunk of this size behind it.
    Chunk(usize),
    /// The server gets this for it, and the client this in place of the reply.
    Noop(Vec<u8>, &'static [u8]),
    /// Nobody knows what follows it.
    End,
}

fn request(line: &[u8], is_response: bool) -> Fate {
    let (verb, argument) = words(line);
    if text_of(line).len() > LONGEST {
        if !is_response && may_be_bdat(line) {
            return Fate::End;
        }
        Fate::Noop(b"NOOP fixsmtpio LINE TOO LONG\r\n".to_vec(), TOO_LONG)
    } else if !is_response && may_be_bdat(line) && (is_unclear(line) || verb != b"bdat") {
        Fate::End
    } else if is_unclear(line) {
        Fate::Noop(b"NOOP fixsmtpio SYNTAX\r\n".to_vec(), b"500 syntax error (#5.5.2)\r\n")
    } else if is_response {
        Fate::Goes
    } else if verb == b"starttls" {
        let noop = [b"NOOP fixsmtpio STARTTLS BLOCK ", &*strict(line)].concat();
        Fate::Noop(noop, b"502 unimplemented (#5.5.1)\r\n")
    } else if verb == b"bdat" {
        let size = chunk_size(argument).filter(|&size| size < 1 << 63);
        size.map_or(Fate::End, |size| Fate::Chunk(usize::try_from(size).unwrap()))
    } else {
        Fate::Goes
    }
}

/// What a server might take for BDAT.
fn may_be_bdat(line: &[u8]) -> bool {
    let text = text_of(line).to_ascii_lowercase();
    let word = |octet: &u8| !octet.is_ascii_control() && *octet != b' ';
    text.split(|octet| !word(octet)).find(|word| !word.is_empty()) == Some(b"bdat")
}

/// Whether servers read a request differently: a NUL, a lone carriage return, white space
/// before the verb or a control character in it.
fn is_unclear(line: &[u8]) -> bool {
    let verb = words(line).0;
    let has_control = verb.iter().any(u8::is_ascii_control);
    has_control
        || verb.is_empty() && text_of(line) != b""
        || text_of(line).iter().any(|octet| b"\0\r".contains(octet))
}

/// A line as it goes on: with an ending that every server takes for one.
fn strict(line: &[u8]) -> Vec<u8> {
    [text_of(line), b"\r\n"].concat()
}

/// What behind an AUTH could be a response that came too early: one word, and no verb that is
/// known here.
fn may_be_response(line: &[u8]) -> bool {
    const VERBS: [&[u8]; 12] = [
        b"bdat",
        b"data",
        b"ehlo",
        b"helo",
        b"help",
        b"mail",
        b"noop",
        b"quit",
        b"rcpt",
        b"rset",
        b"starttls",
        b"auth",
    ];
    let verb = text_of(line).to_ascii_lowercase();
    !verb.contains(&b' ') && !VERBS.contains(&verb.as_slice())
}

/// What a server might take for AUTH, if it saw it.
fn may_be_auth(line: &[u8]) -> bool {
    is_unclear(line) && line.to_ascii_lowercase().windows(4).any(|four| four == b"auth")
}

/// The verb in lower case, and all behind the first space.
fn words(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let text = text_of(line);
    let space = text.iter().position(|&octet| octet == b' ');
    let (verb, argument) = text.split_at(space.unwrap_or(text.len()));
    (verb.to_ascii_lowercase(), argument.strip_prefix(b" ").unwrap_or(argument))
}

fn text_of(line: &[u8]) -> &[u8] {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    if text.len() < line.len() { text.strip_suffix(b"\r").unwrap_or(text) } else { text }
}

/// RFC 3030: `SIZE` or `SIZE LAST`.
fn chunk_size(argument: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(argument).ok()?.to_ascii_uppercase();
    let digits = text.strip_suffix(" LAST").unwrap_or(&text);
    let are_digits = digits.bytes().all(|octet| octet.is_ascii_digit());
    are_digits.then(|| digits.parse().ok()).flatten()
}

/// The octets of a message up to its end.
fn strict_end(input: &[u8]) -> Option<usize> {
    let begins = input.starts_with(b".\r\n").then_some(3);
    begins.or_else(|| Some(input.windows(5).position(|five| five == b"\r\n.\r\n")? + 5))
}

/// Keeps what is shown of requests.
struct Shown<'a>(&'a RefCell<Vec<Octets>>);

impl Watch for Shown<'_> {
    fn saw(&mut self, what: Seen, octets: &[u8]) {
        if matches!(what, Seen::Request | Seen::RequestOn) {
            self.0.borrow_mut().push(octets.into());
        }
    }
}

/// The same through the relay.
fn relayed(says: &[u8], replies: &[u8], turns: &[u8], reads: usize) -> Outcome {
    let config = RelayConfig {
        greeting: b"mx".to_vec(),
        rules: Rules::default(),
        tls: Tls::Absent,
        logged_in: false,
        introduction: None,
        bare_newline: BareNewline::Pass,
    };
    let mut server = Server::new(replies);
    let (shown, at_client, arrived) =
        (RefCell::default(), RefCell::<Vec<u8>>::default(), RefCell::<Vec<u8>>::default());
    let is_misdirected = Cell::new(false);
    let mut pump = Pump::new(config, Shown(&shown), 0, reads, |out, octets: &[u8]| match out {
        Out::ToClient => at_client.borrow_mut().extend_from_slice(octets),
        Out::ToServer => arrived.borrow_mut().extend_from_slice(octets),
        Out::Ended(End::Server) => {}
        Out::Ended(End::OtherProtocol(_)) => is_misdirected.set(true),
        Out::Fresh | Out::Ended(_) => panic!("{out:?}, and nobody asked for it"),
    });
    let (mut says, mut idle) = (says, 0);
    // Behind the last turn that was chosen, each side says all it has.
    let mut turns = turns.iter().map(|&turn| (turn & 1 == 0, usize::from(turn / 2) * 2));
    let mut client_is_next = false;
    while idle < 2 {
        client_is_next = !client_is_next;
        let (is_client, most) = turns.next().unwrap_or((client_is_next, usize::MAX));
        let count = if is_client {
            let (piece, more) = says.split_at(most.min(says.len()));
            says = more;
            pump.client_says(piece);
            piece.len()
        } else {
            server.input.append(&mut arrived.borrow_mut());
            server.work();
            let piece: Vec<u8> = server.output.drain(..most.min(server.output.len())).collect();
            pump.server_says(&piece);
            piece.len()
        };
        pump.go();
        idle = if count > 0 || most != usize::MAX { 0 } else { idle + 1 };
    }
    let ended = pump.ended;
    drop(pump);
    if ended && !is_misdirected.get() {
        assert!(at_client.borrow().ends_with(SYNTAX), "it ends, and nobody asked for it");
    }
    server.input.append(&mut arrived.borrow_mut());
    let (units, rest) = (server.units, Octets(server.input));
    let at_client = Octets(at_client.into_inner());
    Outcome { at_client, units, rest, shown: shown.into_inner() }
}
