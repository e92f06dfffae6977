//! Starting a login program: the checkpassword interface, from the side that asks.
//!
//! The program gets the record to check on descriptor 3 and, under a number that
//! `AUTHUPREADYFD` names, a pipe on which it, or who follows it, says that the login was
//! good. Its other descriptors, and what comes of it, are the caller's.

use crate::descriptor::{for_child, out_of_the_way, pipe};
use proto::checkpassword::Record;
use proto::login::outcome::Outcome;
use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, dup2, fcntl_setfd};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// The descriptor that checkpassword reads.
pub const RECORD: RawFd = 3;
/// Where the pipe for the good news is looked for: anywhere above.
const READY: RawFd = 4;

const USER_VARIABLE: &str = "AUTHUP_USER";

/// Descriptor 3, kept for records by a process that starts one login program after
/// another: between them nothing else can come to lie there.
#[derive(Debug)]
pub struct Place {
    place: OwnedFd,
    nothing: OwnedFd,
}

/// A login program that runs.
#[derive(Debug)]
pub struct Started {
    /// Its process id.
    pub pid: u32,
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

impl Place {
    /// To be called at start-up, when descriptor 3 is free.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` where something is there.
    pub fn reserve() -> io::Result<Self> {
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let nothing = out_of_the_way(&null)?;
        drop(null);
        let place = rustix::io::fcntl_dupfd_cloexec(&nothing, RECORD)?;
        if place.as_raw_fd() == RECORD {
            Ok(Self { place, nothing })
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        }
    }

    /// Starts the program with this record: `begin` starts it with the environment that it
    /// is given, and says its process id. The password is gone from this process then.
    ///
    /// # Errors
    /// The step that failed; there is no program then.
    pub fn start(
        &mut self,
        record: Record,
        mut variables: BTreeMap<OsString, OsString>,
        begin: impl FnOnce(&BTreeMap<OsString, OsString>) -> io::Result<u32>,
    ) -> Result<Started, Failed> {
        let failed = |outcome| move |reason| Failed { outcome, reason };
        let (reader, writer) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        // Less than any pipe holds: this never waits.
        crate::client::write_to(&writer, record.expose())
            .map_err(failed(Outcome::CannotWritePipe))?;
        variables.insert(USER_VARIABLE.into(), OsStr::from_bytes(record.user()).to_owned());
        drop((record, writer));
        let (ready, teller) = pipe().map_err(failed(Outcome::CannotOpenPipe))?;
        let tell = for_child(&teller, READY).map_err(failed(Outcome::CannotOpenPipe))?;
        variables.insert(crate::ready::READY.into(), tell.as_raw_fd().to_string().into());
        self.hold(&reader).map_err(failed(Outcome::CannotOpenPipe))?;
        let begun = begin(&variables);
        // Nothing is known to be wrong then that a login program would not notice.
        let _ = dup2(&self.nothing, &mut self.place);
        let _ = fcntl_setfd(&self.place, FdFlags::CLOEXEC);
        Ok(Started { pid: begun.map_err(failed(Outcome::CannotRun))?, ready })
    }

    /// Puts it where the next child inherits it.
    fn hold(&mut self, reader: &OwnedFd) -> io::Result<()> {
        Ok(dup2(reader, &mut self.place)?)
    }
}
