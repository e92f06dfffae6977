//! The login dialog: one state machine for all protocols, and what any of them may do in it.
//! Their commands are in a file of their own each, above this one, and above them is
//! `step`, which has lines and steps.
//!
//! ```text
//!          push ──▶ Command ──AUTH──▶ Exchange ──┐ push
//!                    │  ▲  ▲                     │
//!           STARTTLS │  │  └──── outcome ◀──── Attempt ──▶ End
//!                    ▼  │ started
//!               CheckTls, StartTls
//! ```

use super::handoff::{Handoff, Name};
use super::outcome::{Outcome, Tries};
use super::protocol::Protocol;
use super::reply::{Condition, Refusal};
use crate::checkpassword::Record;
use crate::exit_code::FAILED;
use crate::line::verb_and_argument;
use crate::other_protocol::OtherProtocol;
use crate::sasl::{self, Credential, Exchange, Mechanism, Next};
use crate::secret::Secret;
use crate::smtp::hello::Hello;
use crate::ucspi_tls::Tls;
use alloc::vec::Vec;

/// Commands that are answered BAD before the session ends: whoever has sent so many
/// speaks another protocol.
const MOST_BAD: u8 = 10;

/// What the dialog is told at its start.
#[derive(Debug)]
pub struct DialogConfig {
    /// The protocol.
    pub protocol: Protocol,
    /// The greeting; its first word is the host's name.
    pub greeting: Vec<u8>,
    /// The lines to list for EHLO or CAPA.
    pub capabilities: Vec<Vec<u8>>,
    /// TLS at the start.
    pub tls: Tls,
    /// Refused logins after which the session ends.
    pub tries: u32,
    /// Whether to repeat the mechanisms as `AUTH=`, for very old clients.
    pub auth_equals: bool,
    /// See [`Protocol::timestamp`].
    pub timestamp: Vec<u8>,
}

/// A login to try.
#[derive(Debug)]
pub enum Attempt {
    /// Checkpassword is to read this record, and the programs behind it find this.
    Check(Record, Handoff),
    /// This user asked to be somebody else, which is refused without asking anybody
    /// (RFC 4616).
    SomebodyElse(Vec<u8>),
}

/// The dialog, but for the line being read.
pub(super) struct Dialog {
    pub(super) config: DialogConfig,
    tries: Tries,
    pub(super) said: Said,
    pub(super) imap: Imap,
    pub(super) reply: Vec<u8>,
    pub(super) state: State,
}

/// What only IMAP's dialog remembers.
#[derive(Default)]
pub(super) struct Imap {
    /// That of the command which is being answered; empty: there is none.
    pub(super) tag: Vec<u8>,
    /// How many commands were answered BAD.
    bad: u8,
}

/// What the client has said of itself. TLS forgets all of it, as somebody else may have
/// said it.
#[derive(Default)]
pub(super) struct Said {
    /// By EHLO or HELO.
    pub(super) hello: Option<Hello>,
    /// By POP3's USER.
    pub(super) user: Option<Vec<u8>>,
}

pub(super) enum State {
    Command,
    Exchange(Exchange),
    CheckTls,
    StartTls,
    Attempt(Attempt),
    /// The attempt is with the driver.
    LoggingIn,
    Ended(u8),
    /// By a client who speaks this.
    Misdirected(OtherProtocol),
}

impl Dialog {
    pub(super) fn new(config: DialogConfig) -> Self {
        let DialogConfig { protocol, greeting, tls, capabilities, tries, .. } = &config;
        let reply = protocol.greeting(greeting, *tls, capabilities);
        let (tries, said, state) = (Tries::new(*tries), Said::default(), State::Command);
        Self { config, tries, said, imap: Imap::default(), reply, state }
    }

    /// Ends the session of somebody who has come to the wrong port.
    pub(super) fn turn_away(&mut self, spoken: OtherProtocol) {
        match spoken {
            // Nothing in the clear could be read.
            OtherProtocol::Tls => {}
            OtherProtocol::Http => self.give_up(Refusal::Http),
        }
        self.state = State::Misdirected(spoken);
    }

    pub(super) fn send(&mut self, reply: &[u8]) {
        self.reply.extend_from_slice(reply);
    }

    /// Refuses what was asked, and is ready for the next command.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let line = self.config.protocol.refusal(refusal, &self.imap.tag);
        self.send(&line);
        self.state = State::Command;
        if self.config.protocol == Protocol::Imap {
            self.imap_refused(refusal);
        }
    }

    /// Something was refused; after too many that were no commands the session ends.
    fn imap_refused(&mut self, why: Refusal) {
        if why.row().imap == Condition::Bad {
            self.imap.bad = self.imap.bad.saturating_add(1);
            if self.imap.bad == MOST_BAD {
                self.give_up(Refusal::TooManyBad);
            }
        }
    }

    /// Ends the session, for a reason that the client is told; exit code 1.
    pub(super) fn give_up(&mut self, why: Refusal) {
        let line = self.config.protocol.last_words(why);
        self.send(&line);
        self.state = State::Ended(FAILED);
    }

    /// Refuses what was asked, and ends the session; exit code 1.
    pub(super) fn refuse_and_end(&mut self, why: Refusal) {
        self.refuse(why);
        let farewell = self.config.protocol.farewell(why);
        self.send(&farewell);
        self.state = State::Ended(FAILED);
    }

    pub(super) fn outcome(&mut self, outcome: Outcome) {
        let refusal = self.tries.tried(outcome);
        if let Some(refusal) = refusal {
            self.refuse(refusal);
        }
        if self.tries.remaining() == 0 {
            let farewell = refusal.map(|why| self.config.protocol.farewell(why));
            self.send(&farewell.unwrap_or_default());
            self.state = State::Ended(outcome.exit_code());
        }
    }

    pub(super) fn must_start_tls(&self) -> bool {
        self.config.tls == Tls::Required
    }

    pub(super) fn start_tls(&mut self, argument: &[u8]) {
        if !self.config.tls.is_offered() {
            self.refuse(Refusal::NoStartTls);
        } else if argument.is_empty() {
            self.state = State::CheckTls;
        } else {
            self.refuse(Refusal::Syntax);
        }
    }

    /// Whether TLS can start is known.
    pub(super) fn tls_checked(&mut self, can_start: bool) {
        if can_start {
            let ready = self.config.protocol.tls_ready(&self.imap.tag);
            self.send(&ready);
            self.state = State::StartTls;
        } else {
            self.refuse(Refusal::TlsUnavailable);
        }
    }

    /// What was said in the clear counts for nothing.
    pub(super) fn tls_started(&mut self) {
        self.config.tls = Tls::On;
        self.said = Said::default();
        self.state = State::Command;
    }

    /// AUTH as SMTP and POP3 have it (RFC 4954, RFC 5034).
    pub(super) fn auth(&mut self, argument: &[u8]) {
        let (name, initial) = verb_and_argument(trim_blanks(argument));
        self.authenticate(name, Some(initial).filter(|initial| !initial.is_empty()));
    }

    /// Begins a SASL exchange: the mechanism's name, and the response that came with the
    /// command, still encoded, if one did.
    pub(super) fn authenticate(&mut self, name: &[u8], initial: Option<&[u8]>) {
        if self.must_start_tls() {
            return self.refuse(Refusal::MustStartTls);
        }
        let Some(mechanism) = Mechanism::named(name) else {
            return self.refuse(Refusal::AuthType);
        };
        let exchange = mechanism.begin();
        match initial {
            None => self.ask(exchange.challenge(), exchange),
            // The empty string (RFC 4954, section 4).
            Some(b"=") => self.respond(exchange, &Secret::with_capacity(0)),
            Some(response) => self.response(exchange, response),
        }
    }

    fn ask(&mut self, challenge: &[u8], exchange: Exchange) {
        let line = self.config.protocol.challenge(challenge);
        self.send(&line);
        self.state = State::Exchange(exchange);
    }

    pub(super) fn continuation(&mut self, exchange: Exchange, line: &[u8]) {
        let line = match self.config.protocol {
            Protocol::Smtp | Protocol::Pop3 => trim_blanks(line),
            Protocol::Imap => line,
        };
        match line {
            b"*" => self.refuse(Refusal::Cancelled),
            response => self.response(exchange, response),
        }
    }

    fn response(&mut self, exchange: Exchange, response: &[u8]) {
        match sasl::decode(response) {
            Some(decoded) => self.respond(exchange, &decoded),
            None => self.refuse(Refusal::Malformed),
        }
    }

    fn respond(&mut self, exchange: Exchange, response: &Secret) {
        // No mechanism of ours has a use for it, and nobody could log in by it.
        if response.expose().is_empty() {
            return match exchange {
                Exchange::Login(_) => self.nobody(),
                Exchange::Plain(_) => self.refuse(Refusal::Malformed),
            };
        }
        match exchange.respond(response) {
            Next::Ask(challenge, exchange) => self.ask(challenge, exchange),
            Next::Try(credential) => self.attempt(&credential),
            Next::Malformed => self.refuse(Refusal::Malformed),
        }
    }

    pub(super) fn attempt(&mut self, credential: &Credential) {
        let Credential { user, password, .. } = credential;
        let parts = [&user[..], password.expose()];
        let is_incomplete = parts.iter().any(|part| part.is_empty())
            && parts.iter().all(|part| memchr::memchr(0, part).is_none());
        let record = Record::new(user, password.expose(), &self.config.timestamp);
        let attempt = match record {
            None if is_incomplete => return self.nobody(),
            None => return self.refuse(Refusal::Malformed),
            Some(_) if !credential.is_for_oneself() => Attempt::SomebodyElse(user.clone()),
            Some(record) => Attempt::Check(record, self.handoff().by(credential.mechanism)),
        };
        self.state = State::Attempt(attempt);
    }

    /// A login without a name or a password, which nobody has to be asked about.
    fn nobody(&mut self) {
        match self.config.protocol {
            Protocol::Smtp | Protocol::Pop3 => self.refuse(Refusal::Malformed),
            // The grammar allows it, and at a BAD clients do not see a wrong password.
            Protocol::Imap => self.outcome(Outcome::Refused),
        }
    }

    /// What the programs behind the login must know of what was said here.
    fn handoff(&self) -> Handoff {
        match (self.config.protocol, &self.said.hello) {
            (Protocol::Smtp, Some(hello)) => Handoff::nothing().with(Name::Helo, hello.encode()),
            (Protocol::Imap, _) => Handoff::nothing().with(Name::ImapTag, self.imap.tag.clone()),
            (Protocol::Smtp | Protocol::Pop3, _) => Handoff::nothing(),
        }
    }
}

/// Without blanks at the end, which some clients send where the grammar has none.
pub(super) fn trim_blanks(text: &[u8]) -> &[u8] {
    let kept = text.iter().rposition(|&octet| octet != b' ');
    text.get(..kept.map_or(0, |at| at + 1)).unwrap_or_default()
}
