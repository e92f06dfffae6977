//! One engine as the listener knows it: a process, a channel to it, and what it owes.
//!
//! Which engines there are, and what is done about one that has died, is the
//! caller's, [`super::Workers`].

use proto::channel::engine::{FromEngine, ToEngine};
use rustix::net::{Shutdown, shutdown};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::Instant;
use unix::descriptor::unblock;
use unix::descriptor_passing::channel;

use super::super::connections::EngineId;
use super::processes::{Processes, Role};
use super::trust::{LogBudget, Questions};
use crate::child::itself;
use crate::engine::NAME;
use crate::environment::Variables;
use crate::incoming::{Incoming, take};
use crate::outbox::{Outbox, Sent, may_keep};

/// How many messages may wait for its channel to take them before it is taken for stuck:
/// more than it has clients while it does its work, and its questions are due before.
const MOST_KEPT: usize = 16 * 1024;

/// So many of its descriptors the listener does not keep for engines: with them it can start
/// others.
const RESERVED: u64 = 64;

/// How many descriptors an engine has at most, and how many more for each connection: no more
/// than its jail would let it have if those were all.
const MOST_DESCRIPTORS: usize = 64;
const MOST_FOR_EACH: usize = 8;

/// Where it is between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is not jailed yet, or has not said so.
    Starting,
    Ready,
    /// It gets no more connections: it is of an older generation, or cannot have handshakes
    /// signed.
    Retired,
}

pub(super) struct Engine {
    pub(super) id: EngineId,
    pub(super) pid: u32,
    /// The process that signs for it.
    pub(super) keyholder: u32,
    outbox: Outbox,
    pub(super) started: Instant,
    stage: Stage,
    pub(super) connections: usize,
    /// How many connections it was given since the last look: what nobody but the listener
    /// has a say in.
    pub(super) lately: usize,
    questions: Questions,
    log_budget: LogBudget,
}

impl Engine {
    /// Starts one that has its signatures made by the keyholder, at the other end of `keys`.
    pub(super) fn start(
        id: EngineId,
        variables: &Variables,
        (keyholder, keys): (u32, OwnedFd),
        processes: &mut Processes,
    ) -> io::Result<Self> {
        let (control, theirs) = channel()?;
        unblock(&control)?;
        let mut command = itself(NAME, variables);
        command.stdin(Stdio::from(theirs)).stdout(Stdio::from(keys));
        let pid = processes.start(&mut command, Role::Engine(id))?;
        Ok(Self::of(id, (pid, keyholder), control))
    }

    /// One that runs; its channel does not block.
    pub(super) fn of(id: EngineId, (pid, keyholder): (u32, u32), control: OwnedFd) -> Self {
        Self {
            id,
            pid,
            keyholder,
            outbox: Outbox::new(control),
            started: Instant::now(),
            stage: Stage::Starting,
            connections: 0,
            lately: 0,
            questions: Questions::default(),
            log_budget: LogBudget::new(),
        }
    }

    /// Sends something, now or as soon as its channel takes it. What becomes of one that is
    /// gone is seen at its end.
    ///
    /// # Errors
    /// `WouldBlock` where it has not taken so much that it must be stuck; the system's, where
    /// there is no room for these descriptors: neither for those under way, nor to keep them.
    pub(super) fn send(
        &mut self,
        message: &ToEngine,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let octets = message.encode();
        match self.outbox.send_now(&octets, descriptors) {
            Ok(Sent::Now | Sent::Gone) => return Ok(()),
            Err(reason) if !descriptors.is_empty() => return Err(reason),
            Ok(Sent::Later) | Err(_) => {}
        }
        if self.outbox.len() >= MOST_KEPT {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let kept: io::Result<_> = descriptors.iter().map(keep).collect();
        self.outbox.send(octets, kept?);
        Ok(())
    }

    /// What is still to be sent.
    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Sends what is still to be sent, and takes a message that is there.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Incoming<FromEngine> {
        self.outbox.flush();
        take(&self.outbox, buffer, FromEngine::decode)
    }

    /// Asks for an answer; false when those to the last questions are still owed.
    pub(super) fn ask(&mut self) -> bool {
        if self.questions.are_too_many() {
            return false;
        }
        // One that was told to end has as long for it.
        if self.send(&ToEngine::Answer, &[]).is_ok() {
            self.questions.asked();
        }
        true
    }

    /// It has one more connection.
    pub(super) const fn given(&mut self) {
        self.connections += 1;
        self.lately += 1;
        self.log_budget.grow();
    }

    /// Takes a line of its for the log; false where it may have no more.
    pub(super) const fn take_line(&mut self) -> bool {
        self.log_budget.take()
    }

    /// Whether it has more descriptors than the connections that it says it has could need: it
    /// has kept some that it said were closed. Told by the system, where that lets us see it.
    pub(super) fn holds_more_than_it_says(&self) -> bool {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid));
        let most = MOST_DESCRIPTORS.saturating_add(self.connections.saturating_mul(MOST_FOR_EACH));
        open.is_ok_and(|open| open.take(most + 1).count() > most)
    }

    /// It has answered, or has said by itself that it is ready.
    pub(super) const fn answered(&mut self) {
        if matches!(self.stage, Stage::Starting) {
            self.stage = Stage::Ready;
        }
        self.questions.answered();
    }

    /// Whether it is jailed and may get connections.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    pub(super) const fn is_retired(&self) -> bool {
        matches!(self.stage, Stage::Retired)
    }

    /// It gets no more connections, and ends with its last.
    pub(super) fn retire(&mut self) {
        self.stage = Stage::Retired;
        self.end_if_done();
    }

    /// A retired engine ends when it reads an end. Not before its last connection
    /// has ended: one in its handshake still waits for its program.
    pub(super) fn end_if_done(&self) {
        if self.is_retired() && self.connections == 0 {
            // What it reports can still be heard.
            let _ = shutdown(&self.outbox, Shutdown::Write);
        }
    }
}

/// A copy of a descriptor, to send it later.
fn keep(descriptor: &BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let kept = descriptor.try_clone_to_owned()?;
    may_keep(&kept, |most| RESERVED.min(most / 2))?;
    Ok(kept)
}

impl AsFd for Engine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outbox.as_fd()
    }
}
