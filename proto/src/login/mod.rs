//! The login dialog: just enough SMTP or POP3 to learn a user name and password.
//!
//! One state machine, with SMTP and POP3 as its two faces and their replies in one
//! table ([`reply`]). It knows nothing of descriptors, processes or time: its
//! driver asks for the [`Step`] to take, takes it, and tells what came of it. The
//! two exchange values only, so they may be different processes ([`monitor`]).
//!
//! ```text
//!          push ──▶ Command ──AUTH──▶ Exchange ──┐ push
//!                    │  ▲  ▲                     │
//!           STARTTLS │  │  └──── outcome ◀──── Attempt ──▶ End
//!                    ▼  │ started
//!               CheckTls, StartTls
//! ```

pub mod monitor;
mod pop3;
pub mod reply;
mod smtp;
pub mod until_login;

use crate::checkpassword::{Outcome, Record};
use crate::line::{LONGEST_COMMAND, Pushed, Splitter};
use crate::sasl::Plain;
use crate::ucspi_tls::Tls;
use alloc::format;
use alloc::vec::Vec;
use core::fmt::Display;
use reply::{Face, Refusal};

/// What the dialog is told at its start.
#[derive(Debug)]
pub struct Settings {
    /// The protocol.
    pub face: Face,
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
    /// See [`timestamp`].
    pub timestamp: Vec<u8>,
    /// Whether somebody else has greeted the client already.
    pub greeted: bool,
}

/// What a POP3 session's greeting is made of, and what checkpassword is told of it
/// (RFC 1939, section 7); nothing for SMTP. `session` is what tells it from all
/// others of that second, `seconds` are those since the epoch.
#[must_use]
pub fn timestamp(face: Face, session: impl Display, seconds: u64, greeting: &[u8]) -> Vec<u8> {
    match face {
        Face::Smtp => Vec::new(),
        Face::Pop3 => [format!("<{session}.{seconds}@").as_bytes(), greeting, b">"].concat(),
    }
}

/// A login to try.
#[derive(Debug)]
pub enum Attempt {
    /// Checkpassword is to read this.
    Check(Record),
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
}

/// The dialog.
pub struct Login {
    splitter: Splitter,
    dialog: Dialog,
    sent: bool,
}

/// Everything but the line being read.
struct Dialog {
    settings: Settings,
    remaining: u32,
    /// The user that POP3's USER named.
    user: Option<Vec<u8>>,
    reply: Vec<u8>,
    state: State,
}

enum State {
    Command,
    Exchange(Exchange),
    CheckTls,
    StartTls,
    Attempt(Attempt),
    /// The attempt is with the driver.
    LoggingIn,
    Ended(u8),
}

/// What the next line of an AUTH exchange holds.
enum Exchange {
    Plain,
    LoginUser,
    LoginPassword { user: Vec<u8> },
}

impl Login {
    /// A dialog that begins with its greeting, unless that has been said.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let reply = match settings.face {
            _ if settings.greeted => Vec::new(),
            Face::Smtp => [b"220 ", &settings.greeting[..], b" ESMTP\r\n"].concat(),
            Face::Pop3 => [b"+OK ", &settings.timestamp[..], b"\r\n"].concat(),
        };
        let remaining = settings.tries;
        let (user, state) = (None, State::Command);
        let dialog = Dialog { settings, remaining, user, reply, state };
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
            State::Command | State::Exchange(_) | State::Attempt(_) | State::LoggingIn => {
                Step::NeedInput
            }
        }
    }

    /// Takes input up to the end of a line, and returns how much; nothing while
    /// the next step is another than [`Step::NeedInput`].
    pub fn push(&mut self, input: &[u8]) -> usize {
        self.forget_sent();
        let Self { splitter, dialog, .. } = self;
        let replying = !dialog.reply.is_empty();
        if replying || !matches!(dialog.state, State::Command | State::Exchange(_)) {
            return 0;
        }
        let (taken, pushed) = splitter.push(input, |held| dialog.limit(held));
        match pushed {
            Pushed::NeedInput => {}
            Pushed::Line => {
                dialog.line(splitter.line());
                splitter.forget();
            }
            Pushed::TooLong => dialog.refuse(Refusal::LineTooLong),
        }
        taken
    }

    /// Answers [`Step::CheckTls`].
    pub fn tls_checked(&mut self, can_start: bool) {
        if can_start {
            self.dialog.say(match self.dialog.settings.face {
                Face::Smtp => b"220 Ready to start TLS (#5.7.0)\r\n",
                Face::Pop3 => b"+OK starting TLS negotiation\r\n",
            });
            self.dialog.state = State::StartTls;
        } else {
            self.dialog.refuse(Refusal::TlsUnavailable);
        }
    }

    /// Answers [`Step::StartTls`]: what was said in the clear counts for nothing.
    pub fn tls_started(&mut self) {
        self.dialog.settings.tls = Tls::On;
        self.dialog.user = None;
        self.dialog.state = State::Command;
    }

    /// Answers [`Step::Login`].
    pub fn outcome(&mut self, outcome: Outcome) {
        let refusal = match outcome {
            Outcome::Completed(code) => return self.dialog.state = State::Ended(code),
            Outcome::Refused => Refusal::Failed,
            Outcome::Temporary => Refusal::Temporary,
            Outcome::TimedOut => Refusal::TimedOut,
            Outcome::Controls => Refusal::Controls,
            Outcome::Crashed => Refusal::Crashed,
            Outcome::CannotOpenPipe => Refusal::OpenPipe,
            Outcome::CannotWritePipe => Refusal::WritePipe,
            Outcome::CannotRun => Refusal::Fork,
            Outcome::CannotWait => Refusal::Wait,
        };
        self.dialog.refuse(refusal);
        self.dialog.remaining = self.dialog.remaining.saturating_sub(1);
        if !outcome.is_refusal() || self.dialog.remaining == 0 {
            self.dialog.state = State::Ended(1);
        }
    }

    /// Gives the session up, for a reason that the client is told; exit code 1.
    pub fn abandon(&mut self, why: Refusal) {
        self.forget_sent();
        self.dialog.refuse(why);
        self.dialog.state = State::Ended(1);
    }

    /// The driver is done with the last [`Step::Send`].
    fn forget_sent(&mut self) {
        if core::mem::take(&mut self.sent) {
            self.dialog.reply.clear();
        }
    }
}

impl Dialog {
    fn limit(&self, held: &[u8]) -> usize {
        let is_auth = self.settings.face == Face::Smtp
            && held.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if is_auth || matches!(self.state, State::Exchange(_)) {
            crate::line::LONGEST
        } else {
            LONGEST_COMMAND
        }
    }

    fn line(&mut self, line: &[u8]) {
        match self.settings.face {
            Face::Smtp => self.smtp_line(line),
            Face::Pop3 => self.pop3_line(line),
        }
    }

    fn say(&mut self, reply: &[u8]) {
        self.reply.extend_from_slice(reply);
    }

    /// Refuses what was asked, and is ready for the next command.
    fn refuse(&mut self, refusal: Refusal) {
        self.reply.extend_from_slice(&refusal.line(self.settings.face));
        self.state = State::Command;
    }

    fn must_start_tls(&self) -> bool {
        self.settings.tls == Tls::Required
    }

    fn start_tls(&mut self, argument: &[u8]) {
        if !self.settings.tls.is_offered() {
            self.refuse(Refusal::NoStartTls);
        } else if argument.is_empty() {
            self.state = State::CheckTls;
        } else {
            self.refuse(Refusal::Syntax);
        }
    }

    fn attempt(&mut self, user: &[u8], password: &[u8]) {
        match Record::new(user, password, &self.settings.timestamp) {
            Some(record) => {
                self.state = State::Attempt(Attempt::Check(record));
            }
            None => self.refuse(Refusal::Malformed),
        }
    }

    fn attempt_plain(&mut self, plain: &Plain<'_>) {
        self.attempt(plain.user, plain.password);
        if matches!(self.state, State::Attempt(_)) && !plain.is_for_oneself() {
            self.state = State::Attempt(Attempt::SomebodyElse(plain.user.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
