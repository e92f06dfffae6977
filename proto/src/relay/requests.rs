//! From the client to the server: requests, message data, chunks.

use super::rules::Event;
use super::{Client, Kind, PENDING, Pending, Phase, Relay, Seen, Take, Unwelcome, Watch};
use crate::line::{LONGEST, verb_and_argument};
use crate::smtp::bdat;
use crate::smtp::data::{BareNewline, Framing, Piece};
use crate::smtp::reply::split_ending;
use crate::ucspi_tls::Tls;

const BARE_NEWLINE: &[u8] = b"521 bare newline (#5.5.2)\r\n";
const LINE_TOO_LONG: &[u8] = b"500 line too long (#5.5.2)\r\n";
const NO_STARTTLS: &[u8] = b"502 unimplemented (#5.5.1)\r\n";
/// What is shown of a request that may hold a password.
pub const SECRET: &[u8] = b"(not shown: part of AUTH)";
const SYNTAX: &[u8] = b"501 syntax error (#5.5.4)\r\n";
const UNCLEAR: &[u8] = b"500 syntax error (#5.5.2)\r\n";

/// What is to become of a request. A request that the server must not see goes to
/// it as a NOOP, so that replies stay in order.
enum Fate {
    /// It goes on, changed by rules, and its reply is of this kind.
    PassOn(Kind),
    /// It goes on behind this, and its reply is of this kind.
    Noop(&'static [u8], Kind),
    /// It goes on, and so many octets follow it.
    Chunk(u64),
}

impl<W: Watch> Relay<W> {
    /// Takes from the client's window what can be taken in one step. It is not to
    /// be called again before what it said is done.
    pub fn from_client(&mut self, window: &[u8]) -> Take {
        let has_room = self.to_server.has_room() && self.pending.len() < PENDING;
        if self.phase != Phase::Relaying || !has_room {
            return Take::Blocked;
        }
        match &mut self.client {
            Client::Request => self.request_in(window),
            Client::LongLine => self.skip_line(window),
            Client::Data(framing) => {
                let piece = framing.next(window);
                self.data(&piece, window)
            }
            Client::Chunk { .. } if window.is_empty() => Take::NeedInput,
            Client::Chunk { left, wanted } => {
                let (left, wanted) = (*left, *wanted);
                self.chunk(left, wanted, window)
            }
            Client::Undecided | Client::Unread | Client::BeforeGreeting | Client::Closed => {
                Take::Blocked
            }
        }
    }

    fn request_in(&mut self, window: &[u8]) -> Take {
        let fresh = window.get(self.scanned..).unwrap_or_default();
        let feed = memchr::memchr(b'\n', fresh).map(|ahead| self.scanned + ahead);
        let line = window.get(..feed.map_or(window.len(), |feed| feed + 1)).unwrap_or_default();
        // One more for a carriage return that may belong to the line ending.
        if feed.is_none() && line.len() <= LONGEST + 1 {
            self.scanned = window.len();
            return Take::NeedInput;
        }
        self.scanned = 0;
        if let Some(Unwelcome { answer, exit, .. }) = self.unwelcome.take() {
            self.tell_client(&answer);
            self.client = Client::Unread;
            self.phase = Phase::Ended(exit);
        } else if feed.is_some() && split_ending(line).0.len() <= LONGEST {
            self.request(line);
        } else {
            let too_long = Kind::Fixed(LINE_TOO_LONG);
            self.send_noop(b"LINE TOO LONG\r\n", b"", b"", too_long);
            self.client = if feed.is_some() { Client::Request } else { Client::LongLine };
        }
        Take::Took(line.len())
    }

    fn skip_line(&mut self, window: &[u8]) -> Take {
        match memchr::memchr(b'\n', window) {
            Some(end) => {
                self.client = Client::Request;
                Take::Took(end + 1)
            }
            None if window.is_empty() => Take::NeedInput,
            None => Take::Took(window.len()),
        }
    }

    /// One request, its line ending included.
    fn request(&mut self, line: &[u8]) {
        let (text, ending) = split_ending(line);
        self.secret = core::mem::take(&mut self.challenged) || is_auth(text);
        let is_unclear = is_unclear(text);
        let is_hidden = self.secret || is_unclear && mentions_auth(text);
        self.watch.saw(Seen::Request, if is_hidden { SECRET } else { line });
        let ending = match self.settings.bare_newline {
            BareNewline::Reject if ending == b"\n" => return self.turn_away(BARE_NEWLINE),
            BareNewline::Normalize => b"\r\n",
            _ => ending,
        };
        if is_unclear {
            // None of it goes on: what follows a CR might be read as a command.
            self.send_noop(b"SYNTAX\r\n", b"", b"", Kind::Fixed(UNCLEAR));
            return self.wait_in_exchange();
        }
        match self.fate(text) {
            Fate::PassOn(kind) => {
                self.send(text, ending, kind);
                if matches!(kind, Kind::Data | Kind::Ehlo) {
                    self.client = Client::Undecided;
                }
                self.wait_in_exchange();
            }
            Fate::Noop(why, kind) => {
                self.send_noop(why, text, ending, kind);
                if kind == Kind::StartTls {
                    self.client = Client::Unread;
                } else {
                    self.wait_in_exchange();
                }
            }
            Fate::Chunk(left) => {
                let wanted = self.send(text, ending, Kind::Plain);
                if left > 0 {
                    self.client = Client::Chunk { left, wanted };
                }
            }
        }
    }

    /// Whether a response follows is for the reply to say.
    fn wait_in_exchange(&mut self) {
        if self.secret {
            self.client = Client::Undecided;
        }
    }

    fn fate(&self, text: &[u8]) -> Fate {
        let (verb, argument) = verb_and_argument(text);
        let tls_first = self.settings.tls == Tls::Required;
        match verb.to_ascii_lowercase().as_slice() {
            b"starttls" => self.fate_of_starttls(argument),
            b"ehlo" => Fate::PassOn(Kind::Ehlo),
            b"noop" | b"quit" => Fate::PassOn(Kind::Plain),
            _ if tls_first => Fate::Noop(b"STARTTLS FIRST ", Kind::TlsFirst),
            b"data" => Fate::PassOn(Kind::Data),
            // In an AUTH exchange it is a response, with nothing behind it.
            b"bdat" if self.chunking && !self.secret => {
                // What stands behind the one space that there must be.
                let strict = text.get(verb.len() + 1..).unwrap_or_default();
                bdat::size(strict).map_or(Fate::Noop(b"SYNTAX ", Kind::Fixed(SYNTAX)), Fate::Chunk)
            }
            _ => Fate::PassOn(Kind::Plain),
        }
    }

    fn fate_of_starttls(&self, argument: &[u8]) -> Fate {
        match self.settings.tls {
            Tls::On => Fate::Noop(b"STARTTLS AGAIN ", Kind::Fixed(NO_STARTTLS)),
            Tls::Absent => Fate::Noop(b"STARTTLS BLOCK ", Kind::Fixed(NO_STARTTLS)),
            _ if !argument.is_empty() => Fate::Noop(b"STARTTLS BLOCK ", Kind::Fixed(SYNTAX)),
            _ => Fate::Noop(b"STARTTLS BEGIN ", Kind::StartTls),
        }
    }

    /// Passes a request on behind what rules put before it; says whether they left
    /// it as it is.
    fn send(&mut self, text: &[u8], ending: &[u8], kind: Kind) -> bool {
        let rules = self.settings.rules.group_for_verb(verb_and_argument(text).0);
        let mark = self.to_server.mark();
        // Each rule in turn puts its text before all, so the last one's comes first.
        for rule in self.settings.rules.of(rules).iter().rev().filter(|rule| rule.holds()) {
            self.to_server.push(&rule.prepend);
            if !rule.prepend.is_empty() {
                self.watch.prepended(rule);
            }
        }
        let untouched = self.to_server.since(mark).is_empty();
        self.queue(mark, &[text, ending], Pending { kind, rules });
        untouched
    }

    /// Keeps a request from the server, which gets a NOOP that says why.
    fn send_noop(&mut self, why: &[u8], text: &[u8], ending: &[u8], kind: Kind) {
        let rules = self.settings.rules.group_for_verb(verb_and_argument(text).0);
        let mark = self.to_server.mark();
        self.queue(mark, &[b"NOOP fixsmtpio ", why, text, ending], Pending { kind, rules });
    }

    fn queue(&mut self, mark: usize, parts: &[&[u8]], pending: Pending) {
        for part in parts {
            self.to_server.push(part);
        }
        self.pending.push_back(pending);
        let request = self.to_server.since(mark);
        self.watch.saw(Seen::RequestOn, if self.secret { SECRET } else { request });
    }

    /// What the framing of a message made of the window.
    fn data(&mut self, piece: &Piece, window: &[u8]) -> Take {
        match *piece {
            Piece::Pass(count) => self.pass(count, window),
            Piece::Insert(octets) => {
                self.to_server.push(octets);
                Take::Took(0)
            }
            Piece::End(count) => {
                let rules = self.settings.rules.group(&Event::InData);
                self.pending.push_back(Pending { kind: Kind::Plain, rules });
                self.client = Client::Request;
                self.pass(count, window)
            }
            Piece::NeedInput => Take::NeedInput,
            Piece::Reject => {
                self.turn_away(BARE_NEWLINE);
                Take::Took(0)
            }
        }
    }

    fn chunk(&mut self, left: u64, wanted: bool, window: &[u8]) -> Take {
        let count = usize::try_from(left).map_or(window.len(), |left| left.min(window.len()));
        let left = left - count as u64;
        self.client = if left == 0 { Client::Request } else { Client::Chunk { left, wanted } };
        if wanted { self.pass(count, window) } else { Take::Took(count) }
    }

    fn pass(&mut self, count: usize, window: &[u8]) -> Take {
        self.watch.saw(Seen::Data, window.get(..count).unwrap_or_default());
        Take::Pass(count)
    }

    /// Ends the session with these words, once all replies that are due are given.
    fn turn_away(&mut self, last_words: &'static [u8]) {
        self.client = Client::Unread;
        self.last_words = Some(last_words);
        self.say_last_words();
    }

    /// The reply to the last request is there: what follows is a message, if it goes
    /// ahead, or the next request.
    pub(super) fn decide(&mut self, goes_ahead: bool) {
        if matches!(self.client, Client::Undecided) {
            self.client = if goes_ahead {
                Client::Data(Framing::new(self.settings.bare_newline))
            } else {
                Client::Request
            };
        }
    }
}

/// Whether servers may differ on what is asked. Some end a line at a NUL or a lone
/// carriage return, some skip white space before a verb, or end one at a tab; what they
/// take for DATA must be DATA here, and what a rule is for must not slip by it.
fn is_unclear(text: &[u8]) -> bool {
    memchr::memchr2(b'\0', b'\r', text).is_some()
        || text.starts_with(b" ")
        || verb_and_argument(text).0.iter().any(u8::is_ascii_control)
}

/// Whether what stands in a request is for the server only.
fn is_auth(text: &[u8]) -> bool {
    verb_and_argument(text).0.eq_ignore_ascii_case(b"auth")
}

/// Whether an unclear request might be AUTH to some server.
fn mentions_auth(text: &[u8]) -> bool {
    text.windows(4).any(|four| four.eq_ignore_ascii_case(b"auth"))
}
