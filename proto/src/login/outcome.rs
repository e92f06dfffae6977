//! How a login can end: one table, with what the client is told, what it costs, and how
//! one process names it to another.
//!
//! Who runs the login program reads its end here ([`Outcome::of`]); the dialog and the
//! guard both count by [`Tries`].

use super::protocol::Protocol;
use super::reply::Refusal;
use crate::exit_code::{
    CONTROLS, CRASHED, FAILED, MISUSED, NOT_STARTED, TEMPORARY, TIMED_OUT, TOLD, VCHKPW_REFUSED,
};
use crate::failures::Answer;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(u8),
    /// By a signal.
    Signal,
}

/// Who a child was when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// One of the programs behind: they have said that the login was good, so that no
    /// code is a refusal.
    LoggedIn,
    /// Root still, as it was at its start: the login program, which had not become the
    /// user.
    Root,
    /// Nobody knows.
    Anybody,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// User or password is wrong; or the program was not given them, or, if it is not ours,
    /// was called wrongly.
    Refused,
    /// A temporary failure kept checkpassword from an answer.
    Temporary,
    /// There have been too many failures, and the login was not tried.
    TooManyFailures,
    /// The program behind waited too long for the client.
    TimedOut,
    /// The program behind could not read its control files.
    Controls,
    /// A program of the chain crashed.
    Crashed,
    /// The login was good, and the program behind it cannot be run.
    NotStarted,
    /// The session is over, and this is its exit code.
    Completed(u8),
    /// No pipe could be made for the password.
    CannotOpenPipe,
    /// The password could not be written.
    CannotWritePipe,
    /// The program could not be run.
    CannotRun,
    /// The child could not be waited for.
    CannotWait,
}

impl Exit {
    /// What the memory of refused logins is told. A code that may be any program's says
    /// nothing: neither that the password is wrong, nor that the user is known here.
    #[must_use]
    pub const fn answer(self, who: Who) -> Answer {
        match (self, who) {
            (_, Who::LoggedIn) | (Self::Code(0), _) => Answer::Good,
            (Self::Code(FAILED), _) | (Self::Code(VCHKPW_REFUSED), Who::Root) => Answer::Refused,
            (Self::Code(_) | Self::Signal, _) => Answer::Trouble,
        }
    }
}

/// What the client has heard of the programs behind a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: the login waits for its answer.
    Nothing,
    /// Something, with whole lines.
    Lines,
    /// Something, with a line begun.
    PartOfLine,
    /// Nobody knows; but the login was good.
    Unknown,
}

/// What a login costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    /// One of the tries.
    Try,
    /// None, but there is no session with many of them: whoever has it does better to
    /// come again later.
    Patience,
    /// The session.
    Session,
}

/// One outcome: its octet between processes, what the client is told, what it costs.
struct Row(u8, Option<Refusal>, Cost);

impl Outcome {
    /// All of them, with one exit code for all.
    const ALL: [Self; 12] = [
        Self::Refused,
        Self::Temporary,
        Self::TooManyFailures,
        Self::TimedOut,
        Self::Controls,
        Self::Crashed,
        Self::NotStarted,
        Self::Completed(0),
        Self::CannotOpenPipe,
        Self::CannotWritePipe,
        Self::CannotRun,
        Self::CannotWait,
    ];

    const fn row(self) -> Row {
        match self {
            Self::Refused => Row(b'r', Some(Refusal::Failed), Cost::Try),
            Self::Temporary => Row(b't', Some(Refusal::Temporary), Cost::Patience),
            Self::TooManyFailures => Row(b'y', Some(Refusal::TryLater), Cost::Session),
            Self::TimedOut => Row(b'o', Some(Refusal::TimedOut), Cost::Session),
            Self::Controls => Row(b'c', Some(Refusal::Controls), Cost::Session),
            Self::Crashed => Row(b'x', Some(Refusal::Crashed), Cost::Session),
            Self::NotStarted => Row(b'n', Some(Refusal::NotStarted), Cost::Session),
            Self::Completed(_) => Row(b'=', None, Cost::Session),
            Self::CannotOpenPipe => Row(b'p', Some(Refusal::OpenPipe), Cost::Session),
            Self::CannotWritePipe => Row(b'w', Some(Refusal::WritePipe), Cost::Session),
            Self::CannotRun => Row(b'f', Some(Refusal::Fork), Cost::Session),
            Self::CannotWait => Row(b'm', Some(Refusal::Wait), Cost::Session),
        }
    }

    /// Reads a child's end. Checkpassword becomes the programs behind it, so their exit
    /// codes are told from its own by convention only, unless it is known who ended.
    #[must_use]
    pub const fn of(exit: Exit, who: Who) -> Self {
        match (exit, who) {
            (Exit::Signal | Exit::Code(CRASHED), _) => Self::Crashed,
            (Exit::Code(TIMED_OUT), _) => Self::TimedOut,
            (Exit::Code(CONTROLS), _) => Self::Controls,
            (Exit::Code(NOT_STARTED), _) => Self::NotStarted,
            (Exit::Code(code), Who::LoggedIn) | (Exit::Code(code @ (0 | TOLD)), _) => {
                Self::Completed(code)
            }
            (Exit::Code(FAILED | MISUSED), _) => Self::Refused,
            (Exit::Code(VCHKPW_REFUSED), Who::Root) => Self::Refused,
            (Exit::Code(TEMPORARY), _) | (Exit::Code(_), Who::Root) => Self::Temporary,
            (Exit::Code(code), Who::Anybody) => Self::Completed(code),
        }
    }

    /// The exit code of a session that is over by it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Completed(code) => code,
            _ => FAILED,
        }
    }

    /// What of it the client may still be told, who has heard so much. IMAP's login is not
    /// answered twice. What follows lines of POP3 or IMAP may come in the middle of a message,
    /// and would be taken for a part of it: the end of the connection tells as much. Any
    /// command of SMTP waits for a line. A refusal is one whatever a login program has written.
    #[must_use]
    pub const fn still_to_tell(self, protocol: Protocol, heard: Heard) -> Self {
        use Protocol::{Imap, Pop3, Smtp};
        let is_told = match (heard, protocol) {
            (Heard::Nothing, _) => true,
            (Heard::Lines | Heard::Unknown, Smtp) => true,
            (Heard::PartOfLine, Smtp) | (Heard::Lines | Heard::PartOfLine, Pop3) => {
                self.is_refusal()
            }
            (Heard::Lines | Heard::PartOfLine, Imap) => false,
            // These two come before a session's first word.
            (Heard::Unknown, Pop3 | Imap) => {
                self.is_refusal() || matches!(self, Self::Controls | Self::NotStarted)
            }
        };
        if is_told { self } else { Self::Completed(self.exit_code()) }
    }

    const fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::Temporary)
    }

    /// As octets, for another process.
    #[must_use]
    pub const fn encode(self) -> [u8; 2] {
        match self {
            Self::Completed(code) => [self.row().0, code],
            _ => [self.row().0, 0],
        }
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let &[octet, code] = octets else { return None };
        match Self::ALL.into_iter().find(|outcome| outcome.row().0 == octet)? {
            Self::Completed(_) => Some(Self::Completed(code)),
            other => (code == 0).then_some(other),
        }
    }
}

/// After so many temporary failures a session ends.
const PATIENCE: u32 = 2;

/// What a session has for logins that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    remaining: u32,
    patience: u32,
}

impl Tries {
    /// So many at its start.
    #[must_use]
    pub const fn new(tries: u32) -> Self {
        Self { remaining: tries, patience: PATIENCE }
    }

    /// A login was tried: pays what it costs, and says what the client is told; nothing
    /// where the programs behind have told it.
    pub const fn tried(&mut self, outcome: Outcome) -> Option<Refusal> {
        let Row(_, refusal, cost) = outcome.row();
        match cost {
            Cost::Try => self.remaining = self.remaining.saturating_sub(1),
            Cost::Patience => self.patience = self.patience.saturating_sub(1),
            Cost::Session => self.remaining = 0,
        }
        if self.patience > 0 {
            return refusal;
        }
        self.remaining = 0;
        Some(Refusal::TemporaryAgain)
    }

    /// How many there are; with none the session is over.
    #[must_use]
    pub const fn remaining(self) -> u32 {
        self.remaining
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (code, anybody, root, logged_in) in [
            (0, Outcome::Completed(0), Outcome::Completed(0), Outcome::Completed(0)),
            (1, Outcome::Refused, Outcome::Refused, Outcome::Completed(1)),
            (2, Outcome::Refused, Outcome::Refused, Outcome::Completed(2)),
            (3, Outcome::Completed(3), Outcome::Refused, Outcome::Completed(3)),
            (14, Outcome::Completed(14), Outcome::Completed(14), Outcome::Completed(14)),
            (16, Outcome::TimedOut, Outcome::TimedOut, Outcome::TimedOut),
            (17, Outcome::Crashed, Outcome::Crashed, Outcome::Crashed),
            (18, Outcome::Controls, Outcome::Controls, Outcome::Controls),
            (19, Outcome::NotStarted, Outcome::NotStarted, Outcome::NotStarted),
            (111, Outcome::Temporary, Outcome::Temporary, Outcome::Completed(111)),
            (127, Outcome::Completed(127), Outcome::Temporary, Outcome::Completed(127)),
        ] {
            let of = |who| Outcome::of(Exit::Code(code), who);
            assert_eq!(of(Who::Anybody), anybody, "{code}");
            assert_eq!(of(Who::Root), root, "{code} of a login program that is still root");
            assert_eq!(of(Who::LoggedIn), logged_in, "{code} after a good login");
        }
        for who in [Who::Anybody, Who::Root, Who::LoggedIn] {
            assert_eq!(Outcome::of(Exit::Signal, who), Outcome::Crashed);
        }
    }

    #[test]
    fn d59_only_a_refusal_counts() {
        for (exit, before) in [
            (Exit::Code(0), Answer::Good),
            (Exit::Code(1), Answer::Refused),
            (Exit::Code(2), Answer::Trouble),
            (Exit::Code(3), Answer::Trouble),
            (Exit::Code(14), Answer::Trouble),
            (Exit::Code(16), Answer::Trouble),
            (Exit::Code(17), Answer::Trouble),
            (Exit::Code(18), Answer::Trouble),
            (Exit::Code(111), Answer::Trouble),
            (Exit::Code(127), Answer::Trouble),
            (Exit::Signal, Answer::Trouble),
        ] {
            assert_eq!(exit.answer(Who::Anybody), before, "{exit:?}");
            assert_eq!(exit.answer(Who::LoggedIn), Answer::Good, "{exit:?} after a good login");
        }
        assert_eq!(Exit::Code(VCHKPW_REFUSED).answer(Who::Root), Answer::Refused);
    }

    #[test]
    fn d67_who_has_been_answered_is_not_answered_again() {
        use Protocol::{Imap, Pop3, Smtp};
        let told = |protocol, heard| Outcome::Crashed.still_to_tell(protocol, heard);
        for protocol in Protocol::ALL {
            assert_eq!(told(protocol, Heard::Nothing), Outcome::Crashed);
            assert_eq!(told(protocol, Heard::PartOfLine), Outcome::Completed(FAILED));
        }
        for heard in [Heard::Lines, Heard::Unknown] {
            assert_eq!(told(Smtp, heard), Outcome::Crashed);
            assert_eq!(told(Pop3, heard), Outcome::Completed(FAILED));
            assert_eq!(told(Imap, heard), Outcome::Completed(FAILED));
        }
        for outcome in Outcome::ALL {
            let told = outcome.still_to_tell(Imap, Heard::Lines);
            assert_eq!(told, Outcome::Completed(outcome.exit_code()));
        }
        for refusal in [Outcome::Refused, Outcome::Temporary] {
            assert_eq!(refusal.still_to_tell(Smtp, Heard::PartOfLine), refusal);
            assert_eq!(refusal.still_to_tell(Pop3, Heard::Lines), refusal);
        }
        let not_started = Outcome::NotStarted;
        assert_eq!(not_started.still_to_tell(Imap, Heard::Unknown), not_started);
    }

    #[test]
    fn every_outcome_reads_back() {
        for outcome in Outcome::ALL.into_iter().chain([Outcome::Completed(255)]) {
            assert_eq!(Outcome::decode(&outcome.encode()), Some(outcome));
        }
        for octets in [&b""[..], b"r", b"r\x01", b"r\0\0", b"?\0"] {
            assert_eq!(Outcome::decode(octets), None);
        }
    }

    #[test]
    fn d44_a_temporary_failure_costs_no_try_and_the_second_the_session() {
        let mut tries = Tries::new(1);
        assert_eq!(tries.tried(Outcome::Temporary), Some(Refusal::Temporary));
        assert_eq!(tries.remaining(), 1);
        assert_eq!(tries.tried(Outcome::Temporary), Some(Refusal::TemporaryAgain));
        assert_eq!(tries.remaining(), 0);
    }

    #[test]
    fn a_refusal_costs_a_try_and_everything_else_the_session() {
        let mut tries = Tries::new(2);
        tries.tried(Outcome::Refused);
        assert_eq!(tries.remaining(), 1);
        tries.tried(Outcome::Refused);
        tries.tried(Outcome::Refused);
        assert_eq!(tries.remaining(), 0);
        for outcome in [Outcome::Completed(0), Outcome::Crashed, Outcome::CannotRun] {
            let mut tries = Tries::new(5);
            tries.tried(outcome);
            assert_eq!(tries.remaining(), 0, "{outcome:?}");
        }
    }
}
