//! The login dialog as its driver has it: lines of the client's go in, and the next step
//! comes out. Whose line it is, and what is to be said to it, the protocols' files say.

use super::dialog::{Attempt, Dialog, DialogConfig, State};
use super::imap::Whole;
use super::outcome::{Heard, Outcome};
use super::protocol::Protocol;
use super::reply::Refusal;
use crate::line::{LONGEST, Pushed, Splitter};
use crate::other_protocol::OtherProtocol;

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

impl Login {
    /// A dialog that begins with its greeting.
    #[must_use]
    pub fn new(config: DialogConfig) -> Self {
        Self { splitter: Splitter::new(), dialog: Dialog::new(config), sent: false }
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
        let is_imap = dialog.config.protocol == Protocol::Imap;
        if is_imap && let Some(begun) = splitter.begun() {
            dialog.imap_remember_tag(begun, input);
        }
        let begun = splitter.begun().filter(|_| matches!(dialog.state, State::Command));
        if let Some(begun) = begun
            && let Some(spoken) = OtherProtocol::begins(begun, input)
        {
            let taken = OtherProtocol::SHOWS.saturating_sub(begun.len());
            dialog.turn_away(spoken);
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
        self.dialog.tls_checked(can_start);
    }

    /// Answers [`Step::StartTls`]: what was said in the clear counts for nothing.
    pub fn tls_started(&mut self) {
        self.dialog.tls_started();
    }

    /// Answers [`Step::Login`].
    pub fn outcome(&mut self, outcome: Outcome) {
        self.dialog.outcome(outcome);
    }

    /// The same of a login behind which a session may have been, of which the client has
    /// heard so much.
    pub fn session_ended(&mut self, outcome: Outcome, heard: Heard) {
        self.outcome(outcome.still_to_tell(self.dialog.config.protocol, heard));
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
            _ => self.config.protocol.longest(held),
        }
    }

    /// Whether what ends here is all of a command.
    fn whole(&mut self, ended: &Splitter) -> Whole {
        match self.config.protocol {
            Protocol::Smtp | Protocol::Pop3 => Whole::Yes,
            Protocol::Imap => self.imap_whole(ended),
        }
    }

    fn line(&mut self, line: &[u8]) {
        match core::mem::replace(&mut self.state, State::Command) {
            State::Exchange(exchange) => self.continuation(exchange, line),
            _ => match OtherProtocol::of_line(line) {
                Some(spoken) => self.turn_away(spoken),
                None => self.command(line),
            },
        }
    }

    fn command(&mut self, line: &[u8]) {
        match self.config.protocol {
            Protocol::Smtp => self.smtp_command(line),
            Protocol::Pop3 => self.pop3_command(line),
            Protocol::Imap => self.imap_command(line),
        }
    }
}
