//! The monitor as the listener knows it: a process, a channel to it, and what it owes.

use proto::channel::EngineId;
use proto::channel::listener::{FromMonitor, ToMonitor};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::Instant;
use unix::descriptor::unblock;
use unix::descriptor_passing::channel;
use unix::process::{children, name};

use super::processes::{Processes, Role};
use super::trust::Questions;
use crate::child::{itself, kill, null_device};
use crate::environment::Variables;
use crate::incoming::{Incoming, take};
use crate::monitor::NAME;
use crate::outbox::{Outbox, Sent};

/// What it is started with.
#[derive(Debug)]
pub(in crate::listener) struct MonitorConfig {
    /// The listener's own.
    pub(in crate::listener) arguments: Vec<OsString>,
    pub(in crate::listener) variables: Variables,
}

/// Whether the monitor will hear of a client before its engine speaks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Introduced {
    Yes,
    /// There is no room for it now.
    NotYet,
    /// There is no monitor, or none that hears.
    NoMonitor,
    /// It is none that may log in.
    NoVisitor,
}

pub(in crate::listener) struct Monitor {
    pub(in crate::listener) pid: u32,
    pub(in crate::listener) started: Instant,
    pub(in crate::listener) ready: bool,
    /// It has been told of those that were there before it.
    pub(in crate::listener) knows_sessions: bool,
    outbox: Outbox,
    questions: Questions,
}

/// Whether the system has too little for it now, and may have enough in a moment.
fn is_short(reason: &io::Error) -> bool {
    matches!(Errno::from_io_error(reason), Some(Errno::NOMEM | Errno::NOBUFS | Errno::TOOMANYREFS))
}

impl Monitor {
    /// Starts one; `words` are the two ends of the pipe that programs behind logins have
    /// for a log.
    pub(super) fn start(
        config: &MonitorConfig,
        words: &(OwnedFd, OwnedFd),
        processes: &mut Processes,
    ) -> io::Result<Self> {
        let (control, theirs) = channel()?;
        unblock(&control)?;
        let mut command = itself(NAME, &config.variables);
        command.args(&config.arguments).stdin(Stdio::from(theirs)).stdout(null_device()?);
        let words = vec![words.0.try_clone()?, words.1.try_clone()?];
        let pid = processes.start(&mut command, Role::Monitor)?;
        let mut outbox = Outbox::new(control);
        outbox.send(ToMonitor::Words.encode(), words);
        Ok(Self {
            pid,
            started: Instant::now(),
            ready: false,
            knows_sessions: false,
            outbox,
            questions: Questions::default(),
        })
    }

    pub(in crate::listener) fn send(&mut self, message: &ToMonitor) {
        self.outbox.send(message.encode(), Vec::new());
    }

    /// Says who begins to log in, if it can hear that now: whoever says so to an engine
    /// relies on it. `socket`: the client's, for blocklistd.
    pub(in crate::listener) fn introduce(
        &mut self,
        message: &ToMonitor,
        socket: Option<&OwnedFd>,
    ) -> Introduced {
        if !self.ready {
            return Introduced::NoMonitor;
        }
        let descriptors: Vec<BorrowedFd<'_>> = socket.map(AsFd::as_fd).into_iter().collect();
        match self.outbox.send_now(&message.encode(), &descriptors) {
            Ok(Sent::Now) => Introduced::Yes,
            Ok(Sent::Later) => Introduced::NotYet,
            Err(reason) if is_short(&reason) => {
                self.outbox.pause();
                Introduced::NotYet
            }
            Ok(Sent::Gone) | Err(_) => Introduced::NoMonitor,
        }
    }

    /// Gives it a channel to an engine, and a handle to the engine's process.
    pub(in crate::listener) fn engine(
        &mut self,
        id: EngineId,
        channel: OwnedFd,
        process: Option<OwnedFd>,
    ) {
        let descriptors = [channel].into_iter().chain(process).collect();
        self.outbox.send(ToMonitor::Engine(id).encode(), descriptors);
    }

    /// Asks for an answer; false when those to the last questions are still owed.
    pub(in crate::listener) fn ask(&mut self) -> bool {
        if self.questions.are_too_many() {
            return false;
        }
        self.questions.asked();
        self.send(&ToMonitor::Answer);
        true
    }

    /// Whether it has been told all, and has answered.
    pub(in crate::listener) fn has_answered(&self) -> bool {
        self.ready && !self.outbox.is_behind() && self.questions.are_answered()
    }

    /// Ends the login program that it was about to start, as it is to end itself: that program's
    /// file may be on a file system that hangs, and once that answers it would check a password
    /// for nobody.
    pub(super) fn end_what_it_starts(&self) {
        let itself = name(self.pid);
        children(self.pid).into_iter().filter(|&pid| name(pid) == itself).for_each(kill);
    }

    /// What is still to be sent.
    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Sends what is still to be sent, and takes a message that is there.
    pub(in crate::listener) fn receive(&mut self, buffer: &mut [u8]) -> Incoming<FromMonitor> {
        self.outbox.flush();
        let received = take(&self.outbox, buffer, FromMonitor::decode);
        if matches!(received, Incoming::Message(FromMonitor::Ready)) {
            self.ready = true;
            self.questions.answered();
        }
        received
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.outbox.as_fd()
    }
}
