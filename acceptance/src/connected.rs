//! One program on a client's connection, in a process group of its own, so that all of its
//! processes can be found, however many it has.
//!
//! Called by the tests `faults` and `hostile`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use test_support::run::OwnGroup;
use test_support::wait::for_end;

use crate::processes::await_no_more_than;

/// The first process of the group; all of them are killed if a test fails.
#[derive(Debug)]
pub struct Connected {
    group: OwnGroup,
    log: PathBuf,
}

impl Connected {
    /// Runs the command with the server's end of the connection on descriptors 0 and 1, and
    /// its log in a file.
    pub fn start(command: &mut Command, connection: OwnedFd, log: PathBuf) -> Result<Self> {
        command.stdin(connection.try_clone()?).stdout(connection).stderr(File::create(&log)?);
        let group = OwnGroup::start(command);
        Ok(Self { group: group.with_context(|| format!("{:?}", command.get_program()))?, log })
    }

    /// The first of its processes, and the number of their group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.group.0.id()
    }

    /// Waits until it has ended, and nobody is left of it; how that was, and all that was
    /// written on standard error.
    pub fn ends(mut self) -> Result<(ExitStatus, String)> {
        let status = for_end(&mut self.group.0);
        await_no_more_than(self.pid(), &BTreeSet::new())?;
        Ok((status, String::from_utf8_lossy(&fs::read(&self.log)?).into_owned()))
    }
}
