//! Running checkpassword, and through it the programs behind.
//!
//! The child gets the client on 0 and 1, the log on 2, the record to check on 3,
//! and, under a number that `AUTHUPREADYFD` names, a pipe on which it, or
//! checknotroot behind it, says that the login was good. What happens is told to whoever asks; saying it is the
//! monitor's.

use proto::checkpassword::Record;
use proto::failures::Answer;
use proto::login::outcome::{Exit, Outcome, Who};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use unix::client::write_to;
use unix::deadline::Deadline;
use unix::descriptor::{for_child, pipe};
use unix::environment::Environment;
use unix::process::{News, Program, Watched, exit_code, is_root};
use unix::ready::READY as READY_VARIABLE;

/// The descriptor that checkpassword reads.
pub(super) const RECORD: RawFd = 3;
/// Where the pipe for the good news is looked for: anywhere above.
const READY: RawFd = 4;

/// A step that failed before or after the child ran.
pub(super) struct Failed {
    pub(super) outcome: Outcome,
    pub(super) reason: io::Error,
}

/// A chain that runs.
pub(super) struct Chain {
    watched: Watched,
    /// Up to when it must have become the user.
    deadline: Deadline,
    logged_in: bool,
}

/// What happens to a chain.
pub(super) enum Event {
    /// The login was good, and the session goes on.
    LoggedIn,
    /// It was still root at the deadline, and was ended.
    Hung,
    /// It has become the user, and has not said that the login was good.
    BecameUser,
    /// It has ended.
    Ended(Outcome, Answer),
}

impl Chain {
    /// Runs the chain for this record's user, who has up to the deadline to log in. The
    /// password is gone from this process before the chain has an answer.
    pub(super) fn start(
        record: Record,
        program: &Program,
        environment: &mut Environment,
        deadline: Deadline,
    ) -> Result<Self, Failed> {
        let failed = |outcome| move |reason| Failed { outcome, reason };
        let (reader, writer) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        // Less than any pipe holds: this never waits.
        write_to(&writer, record.expose()).map_err(failed(Outcome::CannotWritePipe))?;
        environment.set(b"AUTHUP_USER", Some(record.user()));
        drop((record, writer));
        let inherited = for_record(&reader).map_err(failed(Outcome::CannotOpenPipe))?;
        let (ready, teller) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        let tell = for_child(&teller, READY).map_err(failed(Outcome::CannotOpenPipe))?;
        environment.set(READY_VARIABLE.as_bytes(), Some(tell.as_raw_fd().to_string().as_bytes()));
        let child = program.command(environment).spawn().map_err(failed(Outcome::CannotRun))?;
        drop((reader, inherited, teller, tell));
        let watched = Watched::new(child, ready).map_err(failed(Outcome::CannotWait))?;
        Ok(Self { watched, deadline, logged_in: false })
    }

    /// The process id, which stays the same from program to program.
    pub(super) fn id(&self) -> u32 {
        self.watched.id()
    }

    /// Whether it has said that the login was good.
    pub(super) const fn logged_in(&self) -> bool {
        self.logged_in
    }

    /// Waits for what happens next. Behind the last two events nothing does.
    pub(super) fn next(&mut self) -> Result<Event, Failed> {
        let failed = |reason| Failed { outcome: Outcome::CannotWait, reason };
        match self.watched.next(self.deadline).map_err(failed)? {
            News::Byte => {
                self.logged_in = true;
                self.deadline = Deadline::NEVER;
                Ok(Event::LoggedIn)
            }
            // A chain that does not tell can only be judged by who it is. Where that cannot
            // be seen, it may be a session.
            News::Late if self.watched.is_root() != Some(true) => {
                self.deadline = Deadline::NEVER;
                Ok(Event::BecameUser)
            }
            News::Late => {
                self.watched.end().map_err(failed)?;
                Ok(Event::Hung)
            }
            News::Ended(status, was_root) => {
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

/// Puts the record where checkpassword looks for it. Nothing of ours is there, and
/// what was inherited there was closed at start-up.
fn for_record(reader: &OwnedFd) -> io::Result<OwnedFd> {
    let inherited = for_child(reader, RECORD)?;
    if inherited.as_raw_fd() == RECORD {
        Ok(inherited)
    } else {
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
