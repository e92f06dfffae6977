//! From the client to the server: requests, message data, chunks.

use super::request::{Request, What, begins_like_bdat};
use super::rules::Event;
use super::{Client, End, Kind, PENDING, Pending, Phase, Relay, Seen, Take, Unwelcome, Watch};
use crate::line::LONGEST;
use crate::other_protocol::OtherProtocol;
use crate::smtp::data::{BareNewline, Piece};
use crate::smtp::reply::split_ending;
use crate::ucspi_tls::Tls;
use alloc::boxed::Box;

pub(super) const BARE_NEWLINE: &[u8] = b"521 bare newline (#5.5.2)\r\n";
/// What requests end with on their way on, whatever the client ended them with: to a server
/// that waits for CR LF, others would go on, up to what is none of the client's requests.
const ENDING: &[u8] = b"\r\n";
const LINE_TOO_LONG: &[u8] = b"500 line too long (#5.5.2)\r\n";
const NO_CHUNKING: &[u8] = b"503 BDAT without CHUNKING (#5.5.1)\r\n";
const NO_HTTP: &[u8] = b"421 HTTP is not spoken here (#4.5.0)\r\n";
const NO_STARTTLS: &[u8] = b"502 unimplemented (#5.5.1)\r\n";
const SYNTAX: &[u8] = b"501 syntax error (#5.5.4)\r\n";
const UNCLEAR: &[u8] = b"500 syntax error (#5.5.2)\r\n";

/// What is to become of a request. A request that the server must not see goes to
/// it as a NOOP, so that replies stay in order.
enum Fate {
    /// It goes on, changed by rules, and its reply is of this kind.
    PassOn(Kind),
    /// It goes on behind this, and its reply is of this kind.
    Noop(&'static [u8], Kind),
    /// Nothing of it goes on, and its reply is of this kind.
    Replace(&'static [u8], Kind),
    /// The session ends with these words.
    TurnAway(&'static [u8]),
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
            Client::Request | Client::Response => self.request_in(window),
            Client::LongLine(_) => self.skip_line(window),
            Client::Data(framing) => {
                let piece = framing.next(window);
                self.data(&piece, window)
            }
            Client::Refused(framing) => {
                let piece = framing.next_of_refused(window);
                self.drop_refused(&piece)
            }
            Client::Chunk { .. } if window.is_empty() => Take::NeedInput,
            Client::Chunk { left, wanted } => {
                let (left, wanted) = (*left, *wanted);
                self.chunk(left, wanted, window)
            }
            Client::Undecided | Client::Unread | Client::Held | Client::Closed => Take::Blocked,
        }
    }

    fn request_in(&mut self, window: &[u8]) -> Take {
        let is_request = matches!(self.client, Client::Request);
        if let Some(spoken) = OtherProtocol::begins(window, b"").filter(|_| is_request) {
            self.end_as_misdirected(spoken);
            return Take::Took(window.len().min(OtherProtocol::SHOWS));
        }
        let fresh = window.get(self.scanned..).unwrap_or_default();
        let feed = memchr::memchr(b'\n', fresh).map(|ahead| self.scanned + ahead);
        let line = window.get(..feed.map_or(window.len(), |feed| feed + 1)).unwrap_or_default();
        // One more for a carriage return that may belong to the line ending.
        if feed.is_none() && line.len() <= LONGEST + 1 {
            self.scanned = window.len();
            return Take::NeedInput;
        }
        self.scanned = 0;
        let whole = feed.map(|_| split_ending(line)).filter(|(text, _)| text.len() <= LONGEST);
        if let Some(Unwelcome { answer, end, .. }) = self.unwelcome.take() {
            self.tell_client(&answer);
            self.client = Client::Unread;
            self.phase = Phase::Ended(end);
        } else if let Some(parts) = whole {
            let request = Request::parse(parts, !is_request);
            let request = if self.is_behind_auth { request.behind_auth() } else { request };
            self.is_behind_auth = request.shown_as.is_some();
            self.request(&request, line);
        } else {
            self.too_long(line, feed.is_some());
        }
        Take::Took(line.len())
    }

    /// What is longer than any request, or the beginning of it.
    fn too_long(&mut self, line: &[u8], is_whole: bool) {
        let is_response = matches!(self.client, Client::Response);
        if !is_response && begins_like_bdat(line) {
            return self.turn_away(SYNTAX);
        }
        let rules = self.config.rules.select_for(b"", || None);
        self.queue(
            self.to_server.mark(),
            &[b"NOOP fixsmtpio LINE TOO LONG\r\n"],
            Pending { kind: Kind::Fixed(LINE_TOO_LONG), rules, is_changed: true },
            None,
        );
        let next = if is_response { Client::Undecided } else { Client::Request };
        self.client = if is_whole { next } else { Client::LongLine(Box::new(next)) };
    }

    fn skip_line(&mut self, window: &[u8]) -> Take {
        match memchr::memchr(b'\n', window) {
            Some(end) => {
                if let Client::LongLine(next) = &mut self.client {
                    self.client = core::mem::replace(next, Client::Unread);
                }
                Take::Took(end + 1)
            }
            None if window.is_empty() => Take::NeedInput,
            None => Take::Took(window.len()),
        }
    }

    /// One request.
    fn request(&mut self, request: &Request<'_>, line: &[u8]) {
        self.watch.saw(Seen::Request, request.shown_as.unwrap_or(line));
        if let Some(spoken) = request.other_protocol() {
            return self.end_as_misdirected(spoken);
        }
        if self.config.bare_newline == BareNewline::Reject && request.ending == b"\n" {
            return self.turn_away(BARE_NEWLINE);
        }
        let kind = match self.fate(request) {
            Fate::PassOn(kind) => {
                self.send(request, kind);
                kind
            }
            Fate::Noop(why, kind) => {
                self.send_noop(request, &[why, request.text, ENDING], kind, request.shown_as);
                kind
            }
            Fate::Replace(why, kind) => {
                self.send_noop(request, &[why, ENDING], kind, None);
                kind
            }
            Fate::TurnAway(words) => return self.turn_away(words),
        };
        self.client = match request.what {
            What::Chunk(Some(left @ 1..)) => Client::Chunk { left, wanted: kind == Kind::Chunk },
            _ => kind.what_follows(),
        };
    }

    fn fate(&self, request: &Request<'_>) -> Fate {
        match request.what {
            What::Response => Fate::PassOn(Kind::Exchange),
            // None of it goes on: what follows a CR might be read as a command.
            What::UnclearResponse => Fate::Replace(b"SYNTAX", Kind::FixedInExchange(UNCLEAR)),
            What::Unclear => Fate::Replace(b"SYNTAX", Kind::Fixed(UNCLEAR)),
            What::UnclearChunk | What::Chunk(None) => Fate::TurnAway(SYNTAX),
            What::StartTls(argument) => self.fate_of_starttls(argument),
            What::Ehlo => Fate::PassOn(Kind::Ehlo),
            What::AnyTime => Fate::PassOn(Kind::Plain),
            _ if self.config.tls == Tls::Required => Fate::Noop(b"STARTTLS FIRST ", Kind::TlsFirst),
            What::Auth => Fate::PassOn(Kind::Exchange),
            What::Data => Fate::PassOn(Kind::Data),
            What::Helo => Fate::PassOn(Kind::Helo),
            What::Chunk(_) if !self.offers.chunking => {
                Fate::Noop(b"CHUNKING BLOCK ", Kind::Fixed(NO_CHUNKING))
            }
            What::Chunk(_) => Fate::PassOn(Kind::Chunk),
            // What a rule looks for must not slip by it.
            What::Mail(_) | What::Rcpt(_)
                if self.config.rules.look_at(request.verb()) && request.shown().is_none() =>
            {
                Fate::Replace(b"SYNTAX", Kind::Fixed(SYNTAX))
            }
            What::Mail(_) | What::Rcpt(_) | What::Other => Fate::PassOn(Kind::Plain),
        }
    }

    fn fate_of_starttls(&self, argument: &[u8]) -> Fate {
        match self.config.tls {
            Tls::On => Fate::Noop(b"STARTTLS AGAIN ", Kind::Fixed(NO_STARTTLS)),
            Tls::Absent => Fate::Noop(b"STARTTLS BLOCK ", Kind::Fixed(NO_STARTTLS)),
            _ if !argument.is_empty() => Fate::Noop(b"STARTTLS BLOCK ", Kind::Fixed(SYNTAX)),
            _ => Fate::Noop(b"STARTTLS BEGIN ", Kind::StartTls),
        }
    }

    /// Passes a request on behind what rules put before it.
    pub(super) fn send(&mut self, request: &Request<'_>, kind: Kind) {
        let rules = self.config.rules.select_for(request.verb(), || request.shown());
        let mark = self.to_server.mark();
        // Each rule in turn puts its text before all, so the last one's comes first.
        let before = self.config.rules.selected(&rules).rev();
        for rule in before.filter(|rule| rule.holds() && !request.is_response()) {
            self.to_server.push(&rule.prepend);
            if !rule.prepend.is_empty() {
                self.watch.prepended(rule);
            }
        }
        let is_changed = !self.to_server.since(mark).is_empty();
        let pending = Pending { kind, rules, is_changed };
        let spared = if self.spares_auth() { request.without_auth_parameter() } else { None };
        let text = spared.as_deref().unwrap_or(request.text);
        self.queue(mark, &[text, ENDING], pending, request.shown_as);
    }

    /// Keeps a request from the server, which gets a NOOP that says why.
    fn send_noop(
        &mut self,
        request: &Request<'_>,
        why: &[&[u8]],
        kind: Kind,
        shown_as: Option<&'static [u8]>,
    ) {
        let rules = self.config.rules.select_for(request.verb(), || request.shown());
        let mark = self.to_server.mark();
        self.to_server.push(b"NOOP fixsmtpio ");
        self.queue(mark, why, Pending { kind, rules, is_changed: true }, shown_as);
    }

    fn queue(
        &mut self,
        mark: usize,
        parts: &[&[u8]],
        pending: Pending,
        shown_as: Option<&'static [u8]>,
    ) {
        for part in parts {
            self.to_server.push(part);
        }
        self.pending.push_back(pending);
        let request = self.to_server.since(mark);
        self.watch.saw(Seen::RequestOn, shown_as.unwrap_or(request));
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
                let rules = self.config.rules.select(&Event::InData);
                self.pending.push_back(Pending { kind: Kind::Plain, rules, is_changed: false });
                self.client = Client::Request;
                self.pass(count, window)
            }
            Piece::NeedInput => Take::NeedInput,
            Piece::Reject => {
                if let Client::Data(framing) = &self.client {
                    self.client = Client::Refused(framing.of_refused());
                }
                self.from_client(window)
            }
        }
    }

    /// The client is told at the end of its message, as it reads nothing before.
    fn drop_refused(&mut self, piece: &Piece) -> Take {
        match *piece {
            Piece::Pass(count) => Take::Took(count),
            Piece::End(count) => {
                self.turn_away(BARE_NEWLINE);
                Take::Took(count)
            }
            _ => Take::NeedInput,
        }
    }

    fn chunk(&mut self, left: u64, wanted: bool, window: &[u8]) -> Take {
        let count = usize::try_from(left).map_or(window.len(), |left| left.min(window.len()));
        let left = left - count as u64;
        self.client = if left == 0 { Client::Request } else { Client::Chunk { left, wanted } };
        let pass = self.pass(count, window);
        if wanted { pass } else { Take::Took(count) }
    }

    fn pass(&mut self, count: usize, window: &[u8]) -> Take {
        self.watch.saw(Seen::Data, window.get(..count).unwrap_or_default());
        Take::Pass(count)
    }

    /// Ends the session with these words, once all replies that are due are given.
    pub(super) fn turn_away(&mut self, last_words: &'static [u8]) {
        self.end_with(last_words, End::Server);
    }

    fn end_as_misdirected(&mut self, spoken: OtherProtocol) {
        let last_words = match spoken {
            // Nothing in the clear could be read.
            OtherProtocol::Tls => &b""[..],
            OtherProtocol::Http => NO_HTTP,
        };
        self.end_with(last_words, End::OtherProtocol(spoken));
    }

    fn end_with(&mut self, last_words: &'static [u8], end: End) {
        self.client = Client::Unread;
        self.last_words = Some((last_words, end));
        self.send_last_words();
    }

    /// The reply to the last request is there, and says what follows.
    pub(super) fn decide(&mut self, next: Client) {
        match &mut self.client {
            Client::Undecided => self.client = next,
            Client::LongLine(then) if matches!(**then, Client::Undecided) => **then = next,
            _ => {}
        }
    }
}

impl Kind {
    /// What follows a request whose reply is of this kind.
    const fn what_follows(self) -> Client {
        match self {
            // The reply says: a message? chunks that the server takes? a response?
            Self::Data | Self::Ehlo | Self::Helo | Self::Exchange | Self::FixedInExchange(_) => {
                Client::Undecided
            }
            Self::StartTls => Client::Unread,
            _ => Client::Request,
        }
    }
}
