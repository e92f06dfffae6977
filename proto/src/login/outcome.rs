//! How a login can end: one table, with what the client is told, what it costs, and how
//! one process names it to another.
//!
//! Who runs the login program reads its end here ([`Outcome::of`]); the dialog and the
//! guard both count by [`Tries`].

use super::reply::Refusal;
use crate::exit_code::{CONTROLS, CRASHED, FAILED, MISUSED, TEMPORARY, TIMED_OUT};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(u8),
    /// By a signal.
    Signal,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// User or password is wrong; or the program was called wrongly.
    Refused,
    /// Trouble that may pass kept checkpassword from an answer.
    Temporary,
    /// The program behind waited too long for the client.
    TimedOut,
    /// The program behind could not read its control files.
    Controls,
    /// A program of the chain crashed.
    Crashed,
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

/// What a login costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    /// One of the tries.
    Try,
    /// The session.
    Session,
}

/// One outcome: its octet between processes, what the client is told, what it costs.
struct Row(u8, Option<Refusal>, Cost);

impl Outcome {
    /// All of them, with one exit code for all.
    const ALL: [Self; 10] = [
        Self::Refused,
        Self::Temporary,
        Self::TimedOut,
        Self::Controls,
        Self::Crashed,
        Self::Completed(0),
        Self::CannotOpenPipe,
        Self::CannotWritePipe,
        Self::CannotRun,
        Self::CannotWait,
    ];

    const fn row(self) -> Row {
        match self {
            Self::Refused => Row(b'r', Some(Refusal::Failed), Cost::Try),
            Self::Temporary => Row(b't', Some(Refusal::Temporary), Cost::Try),
            Self::TimedOut => Row(b'o', Some(Refusal::TimedOut), Cost::Session),
            Self::Controls => Row(b'c', Some(Refusal::Controls), Cost::Session),
            Self::Crashed => Row(b'x', Some(Refusal::Crashed), Cost::Session),
            Self::Completed(_) => Row(b'=', None, Cost::Session),
            Self::CannotOpenPipe => Row(b'p', Some(Refusal::OpenPipe), Cost::Session),
            Self::CannotWritePipe => Row(b'w', Some(Refusal::WritePipe), Cost::Session),
            Self::CannotRun => Row(b'f', Some(Refusal::Fork), Cost::Session),
            Self::CannotWait => Row(b'm', Some(Refusal::Wait), Cost::Session),
        }
    }

    /// Reads a child's end. Checkpassword becomes the programs behind it, so their
    /// exit codes are told from its own by convention only; once one of them has
    /// said that the login was good (`logged_in`), no code is a refusal.
    #[must_use]
    pub const fn of(exit: Exit, logged_in: bool) -> Self {
        match exit {
            Exit::Code(FAILED | MISUSED) if !logged_in => Self::Refused,
            Exit::Code(TEMPORARY) if !logged_in => Self::Temporary,
            Exit::Code(TIMED_OUT) => Self::TimedOut,
            Exit::Code(CRASHED) | Exit::Signal => Self::Crashed,
            Exit::Code(CONTROLS) => Self::Controls,
            Exit::Code(code) => Self::Completed(code),
        }
    }

    /// What the client is told; nothing where the programs behind have told it.
    #[must_use]
    pub const fn refusal(self) -> Option<Refusal> {
        self.row().1
    }

    /// The exit code of a session that is over by it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Completed(code) => code,
            _ => FAILED,
        }
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

/// How many more logins may be refused in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries(u32);

impl Tries {
    /// So many at its start.
    #[must_use]
    pub const fn new(tries: u32) -> Self {
        Self(tries)
    }

    /// A login was tried: pays what it costs.
    pub const fn tried(&mut self, outcome: Outcome) {
        self.0 = match outcome.row().2 {
            Cost::Try => self.0.saturating_sub(1),
            Cost::Session => 0,
        };
    }

    /// How many there are; with none the session is over.
    #[must_use]
    pub const fn remaining(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (code, before, after) in [
            (0, Outcome::Completed(0), Outcome::Completed(0)),
            (1, Outcome::Refused, Outcome::Completed(1)),
            (2, Outcome::Refused, Outcome::Completed(2)),
            (14, Outcome::Completed(14), Outcome::Completed(14)),
            (16, Outcome::TimedOut, Outcome::TimedOut),
            (17, Outcome::Crashed, Outcome::Crashed),
            (18, Outcome::Controls, Outcome::Controls),
            (111, Outcome::Temporary, Outcome::Completed(111)),
        ] {
            assert_eq!(Outcome::of(Exit::Code(code), false), before, "{code}");
            assert_eq!(Outcome::of(Exit::Code(code), true), after, "{code} after a good login");
        }
        assert_eq!(Outcome::of(Exit::Signal, true), Outcome::Crashed);
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
