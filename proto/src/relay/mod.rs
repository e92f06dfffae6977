//! The relay dialog: what fixsmtpio does between a client and an SMTP server.
//!
//! Requests go one way ([`requests`]), replies the other ([`replies`]); each
//! request that is passed on queues what its reply will be taken for, and each
//! reply takes the oldest. Rules ([`rules`]) change requests and replies; message
//! data passes untouched.
//!
//! The driver shows each side's input as a window that it keeps: what is not taken
//! is shown again, from its beginning, with more behind it. So nothing is held
//! here but small queues, and large data can go from the driver's window to the
//! other side without a copy. Both queues are bounded: where one has no room, the
//! side that would fill it has to wait.

mod end;
pub mod glob;
mod introduction;
mod outbox;
mod pending;
mod replies;
mod request;
mod requests;
pub mod rules;

use crate::smtp::data::{BareNewline, Framing};
use crate::ucspi_tls::Tls;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
pub use end::{CANNOT_RELAY, ENDED, End, NO_CONTROLS, NOT_STARTED};
use introduction::Acquaintance;
pub use introduction::Introduction;
use outbox::Outbox;
use pending::{Kind, Offers, Pending, Reply, Unwelcome};
pub use request::{MAY_BE_SECRET, SECRET};
use rules::{Event, Rule, Rules};

/// The least that a driver's windows must be able to hold, in octets: the longest
/// request, or line of a reply, with its line ending.
pub const WINDOW: usize = 16 * 1024;

/// Requests that may be waiting for their replies. More are not taken.
const PENDING: usize = 1000;

/// What the relay is told at its start.
#[derive(Debug)]
pub struct RelayConfig {
    /// The greeting; its first word is the host's name.
    pub greeting: Vec<u8>,
    /// The rules, told of the environment.
    pub rules: Rules,
    /// TLS at the start.
    pub tls: Tls,
    /// Whether authup stands before us (`AUTHUP_USER`): TLS was its business.
    pub logged_in: bool,
    /// What the server is told of a client whose greeting was answered by others.
    pub introduction: Option<Introduction>,
    /// What becomes of bare line feeds.
    pub bare_newline: BareNewline,
}

/// What is seen going by, for a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A request as the client sent it, its secrets left out.
    Request,
    /// What the server gets for it.
    RequestOn,
    /// A line of a reply as the server sent it.
    Reply,
    /// A line of what the client gets for it.
    ReplyOn,
    /// Message data, or a chunk of it.
    Data,
}

/// Somebody who looks on.
pub trait Watch {
    /// Is shown what goes by.
    fn saw(&mut self, what: Seen, octets: &[u8]);

    /// Is shown a rule that puts its text before a request.
    fn prepended(&mut self, _rule: &Rule) {}

    /// Is shown a rule that applies to a reply's line, and what goes to the client
    /// before and after it; `None`: nothing. For `clienteof`, what the client left.
    fn ruled(&mut self, _rule: &Rule, _before: Option<&[u8]>, _after: Option<&[u8]>) {}
}

/// Nobody.
impl Watch for () {
    fn saw(&mut self, _what: Seen, _octets: &[u8]) {}
}

/// What was done with the client's window.
#[derive(Debug, PartialEq, Eq)]
pub enum Take {
    /// So many octets are taken; 0 where only [`Relay::to_server`] has grown.
    Took(usize),
    /// Send so many octets to the server as they are, behind all that is in
    /// [`Relay::to_server`]; then they are taken.
    Pass(usize),
    /// There is not enough to go on with.
    NeedInput,
    /// The server, or room in a queue, has to be waited for.
    Blocked,
}

/// What is to be done besides relaying.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Relay,
    /// Find out whether TLS can start, and tell [`Relay::tls_checked`].
    CheckTls,
    /// The client has been told to start TLS: drop what it sent in the clear,
    /// start TLS, replace the server by a fresh one, and tell
    /// [`Relay::tls_started`].
    StartTls,
    /// Close the server's pipes, wait for it, and exit.
    End(End),
}

/// The relay.
pub struct Relay<W> {
    config: RelayConfig,
    watch: W,
    client: Client,
    phase: Phase,
    /// What the next replies answer.
    pending: VecDeque<Pending>,
    /// The reply that is coming in.
    reply: Option<Reply>,
    /// Its last line that goes to the client, held until it is known whether
    /// another follows.
    held: Vec<u8>,
    to_client: Outbox,
    to_server: Outbox,
    /// How much of the client's window is known to hold no line feed.
    scanned: usize,
    /// What the server offers.
    offers: Offers,
    /// What a fresh server says instead of a good greeting.
    unwelcome: Option<Unwelcome>,
    /// What is said when all replies that are due are given; then the session ends so.
    last_words: Option<(&'static [u8], End)>,
    /// How far the server knows the client.
    acquaintance: Acquaintance,
    /// The server has said goodbye to the client: by a reply that ends the session (RFC 5321,
    /// sections 3.8 and 4.1.1.10), or by one that nobody had asked for.
    has_parted: bool,
    /// See [`Self::owes_reply`].
    owes_reply: bool,
    /// The client's last line was AUTH or may belong to it.
    is_behind_auth: bool,
    /// The exit code that the client's closing asks for.
    exit_at_eof: Option<u8>,
}

/// What the client's next octets are. It is the client's own words and the replies that
/// it has seen that say so, whatever anybody has announced.
enum Client {
    /// A request.
    Request,
    /// What the server asked for within an AUTH exchange.
    Response,
    /// The rest of a line that is too long, and then this.
    LongLine(Box<Client>),
    /// Unknown until the reply to the last request is there: DATA, AUTH (does a response
    /// follow?), EHLO or HELO (does the server take chunks?).
    Undecided,
    /// A message's data.
    Data(Framing),
    /// The rest of a message that has been refused: the client reads no reply before its end.
    Refused(Framing),
    /// So much of a BDAT chunk, to be passed on or to be dropped.
    Chunk { left: u64, wanted: bool },
    /// Not to be read: STARTTLS came, or what ends the session.
    Unread,
    /// Not to be passed on before the server is ready: a fresh one has greeted, or one
    /// behind a login has heard who the client is.
    Held,
    /// None: the client has closed.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Relaying,
    CheckTls,
    StartTls,
    Ended(End),
}

/// What the client's next octets are, for who replays a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// A request.
    Request,
    /// A response within an AUTH exchange.
    Response,
    /// A message.
    Message,
    /// So much of a chunk.
    Chunk(u64),
    /// That cannot be told yet, or nothing.
    Nothing,
}

impl<W: Watch> Relay<W> {
    /// A relay that waits for the server's greeting.
    #[must_use]
    pub fn new(config: RelayConfig, watch: W) -> Self {
        let rules = config.rules.select(&Event::Greeting);
        let greeting = Pending { kind: Kind::Greeting, rules, is_changed: false };
        let acquaintance = Acquaintance::new(config.introduction.as_ref());
        let is_due = matches!(acquaintance, Acquaintance::Due(_));
        Self {
            config,
            watch,
            client: if is_due { Client::Held } else { Client::Request },
            phase: Phase::Relaying,
            pending: VecDeque::from([greeting]),
            reply: None,
            held: Vec::new(),
            to_client: Outbox::default(),
            to_server: Outbox::default(),
            scanned: 0,
            offers: Offers::default(),
            unwelcome: None,
            last_words: None,
            acquaintance,
            has_parted: false,
            owes_reply: false,
            is_behind_auth: false,
            exit_at_eof: None,
        }
    }

    /// What is to be done besides relaying. [`Relay::to_client`] comes first.
    #[must_use]
    pub fn turn(&self) -> Turn {
        match self.phase {
            Phase::CheckTls => Turn::CheckTls,
            Phase::StartTls if self.to_client.is_empty() => Turn::StartTls,
            Phase::Ended(end) if self.to_client.is_empty() => {
                Turn::End(self.exit_at_eof.map_or(end, End::Code))
            }
            _ => Turn::Relay,
        }
    }

    /// What the client's next octets are.
    #[must_use]
    pub const fn expects(&self) -> Expects {
        match &self.client {
            Client::Request => Expects::Request,
            Client::Response => Expects::Response,
            Client::Data(_) | Client::Refused(_) => Expects::Message,
            Client::Chunk { left, .. } => Expects::Chunk(*left),
            _ => Expects::Nothing,
        }
    }

    /// What is to be sent to the client.
    pub fn to_client(&mut self) -> &mut Outbox {
        &mut self.to_client
    }

    /// What is to be sent to the server.
    pub fn to_server(&mut self) -> &mut Outbox {
        &mut self.to_server
    }

    /// Whether the client's input is to be read. After STARTTLS it is the TLS
    /// server's.
    #[must_use]
    pub fn reads_client(&self) -> bool {
        self.phase == Phase::Relaying && !matches!(self.client, Client::Unread | Client::Closed)
    }

    /// Whether the server's input is to be closed, once all is sent.
    #[must_use]
    pub const fn client_has_closed(&self) -> bool {
        matches!(self.client, Client::Closed)
    }

    /// Whether nothing can go on before the client sends or reads. `is_passing`: what
    /// [`Take::Pass`] said is not done yet.
    #[must_use]
    pub fn waits_for_client(&self, is_passing: bool) -> bool {
        let server_has_all = self.to_server.is_empty() && !is_passing;
        !self.to_client.is_empty() || (server_has_all && !self.reply_is_due())
    }

    /// Whether the server can say what it is to say. It cannot answer a chunk that is not whole.
    fn reply_is_due(&self) -> bool {
        let in_chunk = matches!(self.client, Client::Chunk { wanted: true, .. });
        self.reply.is_some() || self.pending.len() > usize::from(in_chunk)
    }

    /// Answers [`Turn::CheckTls`].
    pub fn tls_checked(&mut self, can_start: bool) {
        if can_start {
            self.tell_client(b"220 Ready to start TLS (#5.7.0)\r\n");
            self.phase = Phase::StartTls;
        } else {
            self.tell_client(b"454 TLS temporarily not available (#4.7.0)\r\n");
            self.phase = Phase::Relaying;
            if matches!(self.client, Client::Unread) {
                self.client = Client::Request;
            }
        }
    }

    /// Answers [`Turn::StartTls`]: a fresh server runs, and what was said before
    /// counts for nothing. `is_set` tells which variables are set now.
    pub fn tls_started(&mut self, is_set: impl Fn(&[u8]) -> bool) {
        self.config.tls = Tls::On;
        self.config.rules.set_environment(is_set);
        let rules = self.config.rules.select(&Event::Greeting);
        self.pending.clear();
        let kind = Kind::FreshGreeting;
        self.pending.push_back(Pending { kind, rules, is_changed: false });
        self.reply = None;
        self.held.clear();
        self.to_server.clear();
        self.scanned = 0;
        self.offers = Offers::default();
        self.acquaintance = Acquaintance::ByItself;
        let (answer, end) = (Vec::new(), End::Server);
        self.unwelcome = Some(Unwelcome { answer, end, is_over: false });
        self.client = Client::Held;
        self.phase = Phase::Relaying;
    }

    /// Whoever looks on.
    pub fn watch(&mut self) -> &mut W {
        &mut self.watch
    }

    fn tell_client(&mut self, line: &[u8]) {
        self.watch.saw(Seen::ReplyOn, line);
        self.to_client.push(line);
    }
}

#[cfg(test)]
mod tests;
