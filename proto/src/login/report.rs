//! What the log says of logins, and what blocklistd is told: one table, for whoever runs
//! login programs. People's filters match these lines.

use crate::blocklist::Action;
use crate::escape::Escaped;
use crate::exit_code;
use crate::failures::{About, Named};
use crate::login::outcome::Outcome;
use core::fmt;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A login program was started, with this process id.
    Attempt(u32),
    /// The login is good, and the session goes on.
    LoggedIn,
    /// The user asked to be somebody else; so many tries remain. No program was asked.
    SomebodyElse(u32),
    /// The program was still root when the time for a login was over, and was killed.
    TimedOut(u32),
    /// The time for a login was over before it had its turn.
    NoTurn,
    /// The program refused the login; so many tries remain.
    Failed(u32, u32),
    /// A temporary failure kept the program from an answer.
    Trouble(u32),
    /// The program has ended with this exit code, and the session with it.
    Completed(u32, u8),
    /// The same of a program that had not said a word, so that the client was told that
    /// there is no mail server.
    Silent(u32, u8),
    /// The same where the program behind has told the client that there is no mail server, or none
    /// any more, and has logged which.
    ServerFailed(u32),
    /// A program crashed.
    Crashed(u32),
    /// The program behind could not start the mail server.
    NotStarted(u32),
    /// No program was asked, as there have been too many failures of this.
    TooMany(About),
}

impl Event {
    /// What there is to say when a login program has ended.
    #[must_use]
    pub const fn ended(child: u32, outcome: Outcome, remaining: u32) -> Option<Self> {
        match outcome {
            Outcome::Refused => Some(Self::Failed(child, remaining)),
            // Not like a refusal: who counts those must not count the machine's trouble.
            Outcome::Temporary => Some(Self::Trouble(child)),
            Outcome::Completed(exit_code::TOLD) => Some(Self::ServerFailed(child)),
            Outcome::Completed(code) => Some(Self::Completed(child, code)),
            Outcome::Crashed => Some(Self::Crashed(child)),
            Outcome::NotStarted => Some(Self::NotStarted(child)),
            _ => None,
        }
    }

    /// The line, without what tells whose it is.
    #[must_use]
    pub const fn about<'a>(self, user: &'a [u8], address: Option<&'a [u8]>) -> Line<'a> {
        Line { event: self, user, address, given: user }
    }
}

/// What blocklistd is told of a login whose program has ended. `logged_in`: that the login
/// was good has been said already.
#[must_use]
pub const fn verdict(outcome: Outcome, logged_in: bool) -> Option<Action> {
    match outcome {
        Outcome::Refused => Some(Action::Add),
        Outcome::Completed(_) if !logged_in => Some(Action::Delete),
        _ => None,
    }
}

/// An event, and who it is about.
#[derive(Debug)]
pub struct Line<'a> {
    event: Event,
    user: &'a [u8],
    address: Option<&'a [u8]>,
    given: &'a [u8],
}

impl<'a> Line<'a> {
    /// The user by the name that the client gave; an attempt shows it, where it was changed.
    #[must_use]
    pub const fn given_as(self, given: &'a [u8]) -> Self {
        Self { given, ..self }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text(self);
        match self.address {
            Some(address) => {
                write!(f, "{text} ({} from {})", Escaped(self.user), Escaped(address))
            }
            None => write!(f, "{text}"),
        }
    }
}

/// The same without whose it is.
struct Text<'a>(&'a Line<'a>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { event, user: name, given, .. } = self.0;
        let user = Escaped(name);
        match *event {
            Event::Attempt(child) if given == name => {
                write!(f, "checkpassword {child} attempt for {user}")
            }
            Event::Attempt(child) => {
                let given = Escaped(given);
                write!(f, "checkpassword {child} attempt for {user}, given as {given}")
            }
            Event::LoggedIn => f.write_str("login succeeded"),
            Event::SomebodyElse(remaining) => {
                write!(f, "authorization id of somebody else failed, {remaining} remaining")
            }
            Event::TimedOut(child) => write!(f, "checkpassword {child} timed out"),
            Event::NoTurn => f.write_str("too many logins being checked, no turn in time"),
            Event::Failed(child, remaining) => {
                write!(f, "checkpassword {child} failed, {remaining} remaining")
            }
            Event::Trouble(child) => write!(f, "checkpassword {child} temporary failure"),
            Event::Completed(child, 0) => {
                write!(f, "checkpassword {child} succeeded, child completed")
            }
            Event::Completed(child, code) => {
                write!(f, "checkpassword {child} succeeded, child completed: exit code {code}")
            }
            Event::Silent(child, code) => {
                write!(f, "checkpassword {child} unable to start the mail server: exit code {code}")
            }
            Event::ServerFailed(child) => {
                write!(f, "checkpassword {child} succeeded, mail program failed")
            }
            Event::NotStarted(child) => {
                write!(f, "checkpassword {child} unable to start the mail server")
            }
            Event::TooMany(about) => {
                let of = Named(about, name);
                write!(f, "checkpassword not run, too many failures of {of}")
            }
            Event::Crashed(child) => write!(f, "checkpassword {child} aack, child crashed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn lines_have_the_forms_that_filters_know() {
        let said = |event: Event| event.about(b"bob", Some(b"192.0.2.7")).to_string();
        for (event, line) in [
            (Event::Attempt(12), "checkpassword 12 attempt for bob (bob from 192.0.2.7)"),
            (Event::LoggedIn, "login succeeded (bob from 192.0.2.7)"),
            (
                Event::ServerFailed(12),
                "checkpassword 12 succeeded, mail program failed (bob from 192.0.2.7)",
            ),
            (
                Event::SomebodyElse(3),
                "authorization id of somebody else failed, 3 remaining (bob from 192.0.2.7)",
            ),
            (Event::TimedOut(12), "checkpassword 12 timed out (bob from 192.0.2.7)"),
            (Event::NoTurn, "too many logins being checked, no turn in time (bob from 192.0.2.7)"),
            (Event::Failed(12, 0), "checkpassword 12 failed, 0 remaining (bob from 192.0.2.7)"),
            (Event::Trouble(12), "checkpassword 12 temporary failure (bob from 192.0.2.7)"),
            (
                Event::Completed(12, 0),
                "checkpassword 12 succeeded, child completed (bob from 192.0.2.7)",
            ),
            (Event::Crashed(12), "checkpassword 12 aack, child crashed (bob from 192.0.2.7)"),
        ] {
            assert_eq!(said(event), line);
        }
    }

    #[test]
    fn d65_how_a_program_ended_is_said() {
        let said = |event: Event| event.about(b"bob", None).to_string();
        assert_eq!(
            said(Event::Completed(12, 3)),
            "checkpassword 12 succeeded, child completed: exit code 3"
        );
        for code in [0, 3] {
            assert_eq!(
                said(Event::Silent(12, code)),
                format!("checkpassword 12 unable to start the mail server: exit code {code}")
            );
        }
        let ended = |outcome| Event::ended(12, outcome, 0).map(said);
        let completed = ended(Outcome::Completed(111)).unwrap();
        assert!(completed.ends_with("completed: exit code 111"), "{completed}");
    }

    #[test]
    fn d49_a_name_that_was_changed_is_shown_in_both_forms() {
        let said = |given| Event::Attempt(12).about(b"bob", None).given_as(given).to_string();
        assert_eq!(said(b"bob"), "checkpassword 12 attempt for bob");
        assert_eq!(said(b"Bob@H\x1b"), "checkpassword 12 attempt for bob, given as Bob@H\\x1b");
    }

    #[test]
    fn d05_d33_strangers_words_are_escaped_and_no_address_leaves_none() {
        let said = Event::Attempt(12).about(b"a\nb", None).to_string();
        assert_eq!(said, "checkpassword 12 attempt for a\\x0ab");
        let said = Event::LoggedIn.about(b"a\nb", Some(b"\x1b")).to_string();
        assert_eq!(said, "login succeeded (a\\x0ab from \\x1b)");
    }

    #[test]
    fn blocklistd_hears_of_each_login_once() {
        assert_eq!(verdict(Outcome::Refused, false), Some(Action::Add));
        assert_eq!(verdict(Outcome::Completed(0), false), Some(Action::Delete));
        assert_eq!(verdict(Outcome::Completed(0), true), None);
        assert_eq!(verdict(Outcome::Temporary, false), None);
        assert_eq!(verdict(Outcome::Crashed, false), None);
    }
}
