//! The login dialog: one state machine for all protocols.
//!
//! ```text
//!          push ──▶ Command ──AUTH──▶ Exchange ──┐ push
//!                    │  ▲  ▲                     │
//!           STARTTLS │  │  └──── outcome ◀──── Attempt ──▶ End
//!                    ▼  │ started
//!               CheckTls, StartTls
//! ```

use super::handoff::{Handoff, Name};
use super::imap::{Imap, Whole};
use super::outcome::{Outcome, Tries};
use super::protocol::Protocol;
use super::reply::Refusal;
use crate::checkpassword::Record;
use crate::exit_code::FAILED;
use crate::line::{LONGEST, Pushed, Splitter, verb_and_argument};
use crate::other_protocol::OtherProtocol;
use crate::sasl::{self, Credential, Exchange, Mechanism, Next};
use crate::secret::Secret;
use crate::smtp::hello::Hello;
use crate::ucspi_tls::Tls;
use alloc::vec::Vec;

/// What the dialog is told at its start.
#[derive(Debug)]
pub struct Settings {
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

/// What is to be done next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Write all of this to the client.
    Send(&'a [u8]),
    /// Read from the client, and [`Login::push`].
    NeedInput,
    /// Find out whether TLS can start, and tell [`Login::tls_checked`].
    CheckTls,
    /// The client has been told to start TLS: start it, and tell
    /// [`Login::tls_started`]. There is no way back; where it fails, the
    /// connection is over.
    StartTls,
    /// Try this login, and tell [`Login::outcome`]. Given once, so that the
    /// password is gone when the driver drops it.
    Login(Attempt),
    /// The session is over: exit with this code.
    End(u8),
    /// It is, with [`OtherProtocol::EXIT_CODE`]; what the client speaks is for the log.
    OtherProtocol(OtherProtocol),
}

/// The dialog.
pub struct Login {
    splitter: Splitter,
    pub(super) dialog: Dialog,
    sent: bool,
}

/// Everything but the line being read.
pub(super) struct Dialog {
    pub(super) settings: Settings,
    tries: Tries,
    pub(super) said: Said,
    pub(super) imap: Imap,
    reply: Vec<u8>,
    pub(super) state: State,
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

impl Login {
    /// A dialog that begins with its greeting.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let reply = settings.protocol.greeting(&settings);
        let (tries, said, state) = (Tries::new(settings.tries), Said::default(), State::Command);
        let dialog = Dialog { settings, tries, said, imap: Imap::default(), reply, state };
        Self { splitter: Splitter::new(), dialog, sent: false }
    }

    /// The next step. Where it is not taken, the next call gives it again, but
    /// for [`Step::Send`] and [`Step::Login`], which are given once.
    pub fn step(&mut self) -> Step<'_> {
        self.forget_sent();
        if !self.dialog.reply.is_empty() {
            self.sent = true;
            return Step::Send(&self.dialog.reply);
        }
        match core::mem::replace(&mut self.dialog.state, State::LoggingIn) {
            State::Attempt(attempt) => Step::Login(attempt),
            waiting => {
                self.dialog.state = waiting;
                self.waiting()
            }
        }
    }

    fn waiting(&self) -> Step<'_> {
        match self.dialog.state {
            State::CheckTls => Step::CheckTls,
            State::StartTls => Step::StartTls,
            State::Ended(code) => Step::End(code),
            State::Misdirected(spoken) => Step::OtherProtocol(spoken),
            State::Command | State::Exchange(_) | State::Attempt(_) | State::LoggingIn => {
                Step::NeedInput
            }
        }
    }

    /// Takes input up to the end of a line, and returns how much; nothing while
    /// the next step is another than [`Step::NeedInput`].
    pub fn push(&mut self, input: &[u8]) -> usize {
        self.forget_sent();
        let waits = self.dialog.reply.is_empty() && self.takes_lines();
        if waits { self.take_line(input) } else { 0 }
    }

    /// The same of as many lines as are answered at once, with nothing else to be done for
    /// them; [`Step::Send`] has all of the answers.
    pub fn push_lines(&mut self, input: &[u8]) -> usize {
        let mut taken = self.push(input);
        while taken > 0
            && self.takes_lines()
            && let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty())
        {
            taken += self.take_line(rest);
        }
        taken
    }

    const fn takes_lines(&self) -> bool {
        matches!(self.dialog.state, State::Command | State::Exchange(_))
    }

    fn take_line(&mut self, input: &[u8]) -> usize {
        let Self { splitter, dialog, .. } = self;
        let is_imap = dialog.settings.protocol == Protocol::Imap;
        if is_imap {
            dialog.imap_remember_tag(splitter.begun().unwrap_or_default(), input);
        }
        let begun = splitter.begun().filter(|_| matches!(dialog.state, State::Command));
        if let Some(begun) = begun
            && let Some(spoken) = OtherProtocol::begins(begun, input)
        {
            let taken = OtherProtocol::SHOWS.saturating_sub(begun.len());
            dialog.is_misdirected(spoken);
            return taken.min(input.len());
        }
        let (taken, pushed) = splitter.push(input, |held| dialog.longest(held));
        match pushed {
            Pushed::NeedInput => {}
            Pushed::Line => match dialog.whole(splitter) {
                Whole::Not(octets) => splitter.go_on_with_literal(octets),
                Whole::Yes => {
                    dialog.line(splitter.line());
                    splitter.forget();
                }
                Whole::Answered => splitter.forget(),
            },
            Pushed::TooLong if is_imap => dialog.imap_too_long(),
            Pushed::TooLong => dialog.refuse(Refusal::LineTooLong),
        }
        taken
    }

    /// Answers [`Step::CheckTls`].
    pub fn tls_checked(&mut self, can_start: bool) {
        if can_start {
            let ready = self.dialog.settings.protocol.tls_ready(&self.dialog.imap.tag);
            self.dialog.say(&ready);
            self.dialog.state = State::StartTls;
        } else {
            self.dialog.refuse(Refusal::TlsUnavailable);
        }
    }

    /// Answers [`Step::StartTls`]: what was said in the clear counts for nothing.
    pub fn tls_started(&mut self) {
        self.dialog.settings.tls = Tls::On;
        self.dialog.said = Said::default();
        self.dialog.state = State::Command;
    }

    /// Answers [`Step::Login`].
    pub fn outcome(&mut self, outcome: Outcome) {
        self.dialog.outcome(outcome);
    }

    /// Gives the session up, for a reason that the client is told; exit code 1. A login
    /// that is being tried is answered by it first.
    pub fn abandon(&mut self, why: Refusal) {
        self.forget_sent();
        match self.dialog.state {
            State::Attempt(_) | State::LoggingIn => self.dialog.refuse_and_end(why),
            _ => self.dialog.give_up(why),
        }
    }

    /// The driver is done with the last [`Step::Send`].
    fn forget_sent(&mut self) {
        if core::mem::take(&mut self.sent) {
            self.dialog.reply.clear();
        }
    }
}

impl Dialog {
    fn longest(&self, held: &[u8]) -> usize {
        match self.state {
            State::Exchange(_) => LONGEST,
            _ => self.settings.protocol.longest(held),
        }
    }

    /// Whether what ends here is all of a command.
    fn whole(&mut self, ended: &Splitter) -> Whole {
        match self.settings.protocol {
            Protocol::Smtp | Protocol::Pop3 => Whole::Yes,
            Protocol::Imap => self.imap_whole(ended),
        }
    }

    fn line(&mut self, line: &[u8]) {
        match core::mem::replace(&mut self.state, State::Command) {
            State::Exchange(exchange) => self.continuation(exchange, line),
            _ => match OtherProtocol::of_line(line) {
                Some(spoken) => self.is_misdirected(spoken),
                None => self.command(line),
            },
        }
    }

    fn command(&mut self, line: &[u8]) {
        match self.settings.protocol {
            Protocol::Smtp => self.smtp_command(line),
            Protocol::Pop3 => self.pop3_command(line),
            Protocol::Imap => self.imap_command(line),
        }
    }

    /// Ends the session of somebody who has come to the wrong port.
    fn is_misdirected(&mut self, spoken: OtherProtocol) {
        match spoken {
            // Nothing in the clear could be read.
            OtherProtocol::Tls => {}
            OtherProtocol::Http => self.give_up(Refusal::Http),
        }
        self.state = State::Misdirected(spoken);
    }

    pub(super) fn say(&mut self, reply: &[u8]) {
        self.reply.extend_from_slice(reply);
    }

    /// Refuses what was asked, and is ready for the next command.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let line = self.settings.protocol.refusal(refusal, &self.imap.tag);
        self.say(&line);
        self.state = State::Command;
        if self.settings.protocol == Protocol::Imap {
            self.imap_refused(refusal);
        }
    }

    /// Ends the session, for a reason that the client is told; exit code 1.
    pub(super) fn give_up(&mut self, why: Refusal) {
        let line = self.settings.protocol.last_words(why);
        self.say(&line);
        self.state = State::Ended(FAILED);
    }

    /// Refuses what was asked, and ends the session; exit code 1.
    fn refuse_and_end(&mut self, why: Refusal) {
        self.refuse(why);
        let farewell = self.settings.protocol.farewell(why);
        self.say(&farewell);
        self.state = State::Ended(FAILED);
    }

    fn outcome(&mut self, outcome: Outcome) {
        let refusal = self.tries.tried(outcome);
        if let Some(refusal) = refusal {
            self.refuse(refusal);
        }
        if self.tries.remaining() == 0 {
            let farewell = refusal.map(|why| self.settings.protocol.farewell(why));
            self.say(&farewell.unwrap_or_default());
            self.state = State::Ended(outcome.exit_code());
        }
    }

    pub(super) fn must_start_tls(&self) -> bool {
        self.settings.tls == Tls::Required
    }

    pub(super) fn start_tls(&mut self, argument: &[u8]) {
        if !self.settings.tls.is_offered() {
            self.refuse(Refusal::NoStartTls);
        } else if argument.is_empty() {
            self.state = State::CheckTls;
        } else {
            self.refuse(Refusal::Syntax);
        }
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
        let line = self.settings.protocol.challenge(challenge);
        self.say(&line);
        self.state = State::Exchange(exchange);
    }

    fn continuation(&mut self, exchange: Exchange, line: &[u8]) {
        let line = match self.settings.protocol {
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
        let record = Record::new(user, password.expose(), &self.settings.timestamp);
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
        match self.settings.protocol {
            Protocol::Smtp | Protocol::Pop3 => self.refuse(Refusal::Malformed),
            // The grammar allows it, and at a BAD clients do not see a wrong password.
            Protocol::Imap => self.outcome(Outcome::Refused),
        }
    }

    /// What the programs behind the login must know of what was said here.
    fn handoff(&self) -> Handoff {
        match (self.settings.protocol, &self.said.hello) {
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
