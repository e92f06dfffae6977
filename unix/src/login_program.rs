//! Starting a login program: the checkpassword interface, from the side that asks.
//!
//! The program gets the record to check on descriptor 3 and, under a number that
//! `AUTHUPREADYFD` names, a pipe on which it, or who follows it, says that the login was
//! good. Its other descriptors, and what comes of it, are the caller's.

use crate::log::Reason;
use proto::checkpassword::Record;
use proto::login::outcome::Outcome;
use proto::names::Variable;
use rustix::io::{FdFlags, dup2, fcntl_dupfd_cloexec, fcntl_setfd};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The descriptor that checkpassword reads.
pub const RECORD: RawFd = 3;

/// Descriptor 3, kept for records by a process that starts one login program after
/// another: nothing else can come to lie there.
#[derive(Debug)]
pub struct Place(OwnedFd);

/// What a login program is told by its environment: names and values.
pub type Told = [(Variable, Vec<u8>); 2];

/// A login program that runs.
#[derive(Debug)]
pub struct Started<Child> {
    /// What was started.
    pub child: Child,
    /// One octet arrives here for a good login; an end, where nobody is left who could
    /// say so.
    pub ready: OwnedFd,
}

/// A step that failed before there was a program.
#[derive(Debug)]
pub struct Failed {
    /// What became of the login.
    pub outcome: Outcome,
    /// The system's reason.
    pub reason: io::Error,
}

impl Failed {
    /// What the log has of it; none where the program could not be started, which those say
    /// who know its name.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let reason = Reason(&self.reason);
        match self.outcome {
            Outcome::CannotOpenPipe => Some(format!("unable to open pipe: {reason}")),
            Outcome::CannotWritePipe => Some(format!("unable to write pipe: {reason}")),
            Outcome::CannotWait => Some(format!("unable to wait for child: {reason}")),
            _ => None,
        }
    }
}

impl Place {
    /// To be called at start-up, when descriptor 3 is free.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` where something is there.
    pub fn reserve() -> io::Result<Self> {
        let place = fcntl_dupfd_cloexec(rustix::stdio::stderr(), RECORD)?;
        if place.as_raw_fd() == RECORD {
            Ok(Self(place))
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    /// Starts the program with this record: `begin` starts it, and is given what it is to
    /// be told. The password is gone from this process then.
    ///
    /// # Errors
    /// The step that failed; there is no program then.
    pub fn start<Child>(
        &mut self,
        record: Record,
        begin: impl FnOnce(Told) -> io::Result<Child>,
    ) -> Result<Started<Child>, Failed> {
        let failed = |outcome| move |reason| Failed { outcome, reason };
        let (reader, mut writer) = io::pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        // Less than any pipe holds: this never waits.
        writer.write_all(record.expose()).map_err(failed(Outcome::CannotWritePipe))?;
        let user = record.user().to_vec();
        drop((record, writer));
        let (ready, teller) = io::pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        fcntl_setfd(&teller, FdFlags::empty())
            .and_then(|()| dup2(reader, &mut self.0))
            .map_err(|reason| failed(Outcome::CannotOpenPipe)(reason.into()))?;
        let number = teller.as_raw_fd().to_string().into_bytes();
        let begun = begin([(Variable::AuthupUser, user), (crate::ready::READY, number)]);
        self.empty();
        let child = begun.map_err(failed(Outcome::CannotRun))?;
        Ok(Started { child, ready: ready.into() })
    }

    /// Lets go of the record, which its program may not have read. Nothing can be wrong
    /// here that would not have been wrong before.
    fn empty(&mut self) {
        let _ = dup2(rustix::stdio::stderr(), &mut self.0);
        let _ = fcntl_setfd(&self.0, FdFlags::CLOEXEC);
    }
}
