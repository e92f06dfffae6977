//! Running checkpassword, and through it the programs behind.
//!
//! The child gets the client on 0 and 1, the log on 2, the record to check on 3,
//! and, under a number that `AUTHUPREADYFD` names, a pipe on which checknotroot
//! says that the login was good.

use super::report::Report;
use proto::checkpassword::Record;
use proto::login::outcome::{Exit, Outcome};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use unix::client::write_to;
use unix::deadline::Deadline;
use unix::descriptor::{for_child, pipe};
use unix::environment::Environment;
use unix::process::{News, Program, Watched, exit_code};

/// The descriptor that checkpassword reads.
pub(super) const RECORD: RawFd = 3;
/// Where the pipe for the good news is looked for: anywhere above.
const READY: RawFd = 4;

/// A step that failed before or after the child ran.
pub(super) struct Failed {
    pub(super) outcome: Outcome,
    pub(super) reason: io::Error,
}

/// How it ended, with the child's process id.
pub(super) struct Ended {
    pub(super) child: u32,
    pub(super) outcome: Outcome,
    /// Whether the good login was reported when it happened.
    pub(super) logged_in: bool,
}

/// Runs the chain for this record's user, and waits for its end, or up to the deadline
/// where it has not become the user by then. The password is gone from this process
/// before the chain has an answer.
pub(super) fn run(
    record: Record,
    program: &Program,
    environment: &mut Environment,
    report: &Report,
    deadline: Deadline,
) -> Result<Ended, Failed> {
    let failed = |outcome| move |reason| Failed { outcome, reason };
    let user = record.user().to_vec();
    let (reader, writer) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
    // Less than any pipe holds: this never waits.
    write_to(&writer, record.expose()).map_err(failed(Outcome::CannotWritePipe))?;
    drop((record, writer));
    let inherited = for_record(&reader).map_err(failed(Outcome::CannotOpenPipe))?;
    let (ready, teller) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
    let tell = for_child(&teller, READY).map_err(failed(Outcome::CannotOpenPipe))?;

    environment.set(b"AUTHUP_USER", Some(&user));
    environment.set(b"AUTHUPREADYFD", Some(tell.as_raw_fd().to_string().as_bytes()));
    let child = program.command(environment).spawn().map_err(failed(Outcome::CannotRun))?;
    report.attempt(child.id(), &user);
    drop((reader, inherited, teller, tell));
    Watched::new(child, ready)
        .and_then(|chain| wait(chain, deadline, &user, report))
        .map_err(failed(Outcome::CannotWait))
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

fn wait(
    mut chain: Watched,
    mut deadline: Deadline,
    user: &[u8],
    report: &Report,
) -> io::Result<Ended> {
    let child = chain.id();
    let mut logged_in = false;
    loop {
        match chain.next(deadline)? {
            News::Byte => {
                logged_in = true;
                deadline = Deadline::NEVER;
                report.logged_in(user);
            }
            // A chain that does not tell can only be judged by who it is.
            News::Late if !chain.is_root() => deadline = Deadline::NEVER,
            News::Late => {
                chain.end()?;
                report.hung(child, user);
                return Ok(Ended { child, outcome: Outcome::TimedOut, logged_in });
            }
            News::Ended(status) => {
                let exit = exit_code(status).map_or(Exit::Signal, Exit::Code);
                return Ok(Ended { child, outcome: Outcome::of(exit, logged_in), logged_in });
            }
        }
    }
}
