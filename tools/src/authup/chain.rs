//! Running checkpassword, and through it the programs behind.
//!
//! The child gets the client on 0 and 1, the log on 2, the record to check on 3,
//! and, under a number that `AUTHUPREADYFD` names, a pipe on which it, or
//! checknotroot behind it, says that the login was good. What happens is told to whoever
//! asks; saying it is the monitor's.

use proto::checkpassword::Record;
use proto::failures::Answer;
use proto::login::outcome::{Exit, Heard, Outcome, Who};
use std::io;
use unix::deadline::Deadline;
use unix::environment::Environment;
use unix::login_program::{Failed, Place};
use unix::process::{Argv, News, Watched, exit_code, is_root};

/// A chain that runs.
pub(super) struct Chain {
    watched: Watched,
    /// Up to when it must have become the user.
    deadline: Deadline,
    logged_in: bool,
    heard: Heard,
}

/// What happens to a chain.
pub(super) enum Event {
    /// The login was good, and the session goes on.
    LoggedIn,
    /// It was still root at the deadline, and was ended.
    Hung,
    /// It has not said that the login was good, and has become the user.
    BecameUser,
    /// It has not said so, and may be a session, or a check that takes too long.
    Unsaid,
    /// It has ended.
    Ended(Outcome, Answer),
}

impl Chain {
    /// Runs the chain for this record's user, who has up to the deadline to log in. The
    /// password is gone from this process before the chain has an answer.
    pub(super) fn start(
        record: Record,
        place: &mut Place,
        program: &Argv,
        environment: &mut Environment,
        deadline: Deadline,
    ) -> Result<Self, Failed> {
        let started = place.start(record, |told| {
            for (name, value) in told {
                environment.set(name, Some(&value));
            }
            program.start(environment, None, None)
        })?;
        let watched = Watched::new(started.child, started.ready).map_err(cannot_wait)?;
        Ok(Self { watched, deadline, logged_in: false, heard: Heard::Nothing })
    }

    /// The process id, which stays the same from program to program.
    pub(super) fn id(&self) -> u32 {
        self.watched.id()
    }

    /// Whether it has said that the login was good.
    pub(super) const fn logged_in(&self) -> bool {
        self.logged_in
    }

    /// What the client may have heard of it, whose connection it has.
    pub(super) const fn heard(&self) -> Heard {
        self.heard
    }

    /// Waits for what happens next. Behind the last two events nothing does.
    pub(super) fn next(&mut self) -> Result<Event, Failed> {
        match self.watched.next(self.deadline).map_err(cannot_wait)? {
            News::Byte => {
                self.logged_in = true;
                self.heard = Heard::Unknown;
                self.deadline = Deadline::NEVER;
                Ok(Event::LoggedIn)
            }
            // A chain that does not tell can only be judged by who it is. Where that cannot
            // be seen, or was the user from the start, it may be a session.
            News::Late => match self.watched.is_root() {
                Some(true) => {
                    self.watched.end().map_err(cannot_wait)?;
                    Ok(Event::Hung)
                }
                became => {
                    self.deadline = Deadline::NEVER;
                    self.heard = Heard::Unknown;
                    let is_user = is_root() && became == Some(false);
                    Ok(if is_user { Event::BecameUser } else { Event::Unsaid })
                }
            },
            News::Ended(status, was_root) => {
                if is_root() && !was_root {
                    self.heard = Heard::Unknown;
                }
                let exit = exit_code(status).map_or(Exit::Signal, Exit::Code);
                let who = match was_root && is_root() {
                    _ if self.logged_in => Who::LoggedIn,
                    true => Who::Root,
                    false => Who::Anybody,
                };
                Ok(Event::Ended(Outcome::of(exit, who), exit.answer(who)))
            }
        }
    }
}

const fn cannot_wait(reason: io::Error) -> Failed {
    Failed { outcome: Outcome::CannotWait, reason }
}
