//! One engine as the listener knows it: a process, a channel to it, and what it owes.
//!
//! Which engines there are, and what is done about one that has died, is the
//! caller's, [`super::Workers`].

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};
use unix::descriptor_passing::{channel, send};

use super::super::connections::EngineId;
use super::itself;
use crate::engine::NAME;
use crate::environment::Variables;
use crate::messages::ToEngine;

/// How long its channel may be full before it is taken for stuck.
const FULL: Duration = Duration::from_secs(5);
/// How many questions may be unanswered when the next one is due. It is counted in
/// questions, not by the clock: a machine that stood still asks no more either.
pub(super) const UNANSWERED: u32 = 2;

/// How many lines for the log each connection is worth, and each jailed process beside; an
/// honest engine has two to say of one at most. Whoever has taken one over would fill the disk.
pub(super) const WORDS: usize = 4;

pub(super) struct Engine {
    pub(super) id: EngineId,
    pub(super) pid: u32,
    /// The process that signs for it.
    pub(super) keyholder: u32,
    pub(super) control: OwnedFd,
    pub(super) started: Instant,
    pub(super) ready: bool,
    /// Of an older generation.
    pub(super) retired: bool,
    pub(super) connections: usize,
    unanswered: u32,
    /// What it may still say for the log.
    words: usize,
}

impl Engine {
    /// Starts one that has its signatures made by the keyholder, at the other end of `keys`.
    pub(super) fn start(
        id: EngineId,
        variables: &Variables,
        (keyholder, keys): (u32, OwnedFd),
    ) -> io::Result<Self> {
        let (control, theirs) = channel()?;
        let mut command = itself(NAME, variables);
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(keys));
        set_socket_timeout(&control, Timeout::Send, Some(FULL))?;
        Ok(Self::of(id, (command.spawn()?.id(), keyholder), control))
    }

    /// One that runs.
    pub(super) fn of(id: EngineId, (pid, keyholder): (u32, u32), control: OwnedFd) -> Self {
        Self {
            id,
            pid,
            keyholder,
            control,
            started: Instant::now(),
            ready: false,
            retired: false,
            connections: 0,
            unanswered: 0,
            words: WORDS,
        }
    }

    pub(super) fn say(&self, message: &ToEngine, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(&self.control, &message.encode(), descriptors)
    }

    /// Asks for an answer; false when those to the last questions are still owed.
    pub(super) fn ask(&mut self) -> bool {
        if self.unanswered >= UNANSWERED {
            return false;
        }
        // One that was told to end cannot be asked any more.
        if self.say(&ToEngine::Answer, &[]).is_ok() {
            self.unanswered += 1;
        }
        true
    }

    /// It has one more connection.
    pub(super) const fn given(&mut self) {
        self.connections += 1;
        self.words = self.words.saturating_add(WORDS);
    }

    /// It says something for the log; whether an honest one might.
    pub(super) const fn may_say(&mut self) -> bool {
        let Some(left) = self.words.checked_sub(1) else { return false };
        self.words = left;
        true
    }

    /// It has answered, or has said by itself that it is ready.
    pub(super) const fn answered(&mut self) {
        self.ready = true;
        self.unanswered = 0;
    }

    /// A retired engine ends when it reads an end. Not before its last connection
    /// has ended: one in its handshake still waits for its program.
    pub(super) fn end_if_done(&self) {
        if self.retired && self.connections == 0 {
            // What it reports can still be heard.
            let _ = shutdown(&self.control, Shutdown::Write);
        }
    }
}
