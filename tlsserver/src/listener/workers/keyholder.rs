//! One keyholder as the listener knows it: a process, a channel to it, what it has read, and
//! what it owes.

use proto::channel::engine::ToEngine;
use proto::channel::keyholder::{ANSWER, Certificate, NEW_ENGINE, Validity};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::time::Instant;
use unix::descriptor::unblock;
use unix::descriptor_passing::{channel, send};

use super::processes::{Processes, Role};
use super::trust::{LogBudget, Questions};
use crate::child::{itself, null_device};
use crate::environment::Variables;
use crate::keyholder::NAME;
use crate::listener::dialog::Dialogs;

pub(super) struct Keyholder {
    pub(super) pid: u32,
    pub(super) control: OwnedFd,
    pub(super) started: Instant,
    /// How often the others have been asked for an answer while it read the files.
    pub(super) checks: u32,
    pub(super) certificates: Vec<Certificate>,
    pub(super) validities: Vec<Validity>,
    /// What its generation's engines are to say; taken when that takes over.
    pub(super) dialogs: Option<Dialogs>,
    questions: Questions,
    log_budget: LogBudget,
}

/// What an engine begins with.
pub(super) struct Beginning {
    /// The process that signs for it, and the engine's end of a channel to that.
    pub(super) keyholder: u32,
    pub(super) keys: OwnedFd,
    /// What it is told first.
    pub(super) told: Vec<ToEngine>,
}

impl Keyholder {
    /// Starts one that reads what the variables name.
    pub(super) fn start(
        variables: &Variables,
        dialogs: Option<Dialogs>,
        processes: &mut Processes,
    ) -> io::Result<Self> {
        let (control, theirs) = channel()?;
        // One that is stuck must not hold the listener up.
        unblock(&control)?;
        let mut command = itself(NAME, variables);
        command.stdin(Stdio::from(theirs)).stdout(null_device()?);
        let pid = processes.start(&mut command, Role::Keyholder)?;
        Ok(Self::of(pid, control, dialogs))
    }

    /// One that runs.
    pub(super) fn of(pid: u32, control: OwnedFd, dialogs: Option<Dialogs>) -> Self {
        Self {
            pid,
            control,
            started: Instant::now(),
            checks: 0,
            certificates: Vec::new(),
            validities: Vec::new(),
            dialogs,
            questions: Questions::default(),
            log_budget: LogBudget::new(),
        }
    }

    /// Has it sign for one more engine, which is to say this to clients.
    pub(super) fn one_more_engine(&self, dialogs: Option<&Dialogs>) -> io::Result<Beginning> {
        let (ours, keys) = channel()?;
        // An engine that does not listen must not hold it up.
        unblock(&ours)?;
        send(&self.control, NEW_ENGINE, &[ours.as_fd()])?;
        let certificates = self.certificates.iter().cloned().map(ToEngine::Certificate);
        let dialogs = dialogs.into_iter().flat_map(Dialogs::all);
        let dialogs = dialogs.map(|(id, dialog)| ToEngine::Dialog(id, dialog.clone()));
        let told = certificates.chain(dialogs).chain([ToEngine::Begin]).collect();
        Ok(Beginning { keyholder: self.pid, keys, told })
    }

    /// Asks for an answer; false when those to the last questions are still owed.
    pub(super) fn ask(&mut self) -> bool {
        if self.questions.are_too_many() {
            return false;
        }
        // Not to be told is an answer owed, too.
        let _ = send(&self.control, ANSWER, &[]);
        self.questions.asked();
        true
    }

    /// Takes a line of its for the log; false where it may have no more.
    pub(super) const fn take_line(&mut self) -> bool {
        self.log_budget.take()
    }

    /// It has answered.
    pub(super) const fn answered(&mut self) {
        self.questions.answered();
    }
}
