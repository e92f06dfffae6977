//! Whether a session with a fault in it was done or refused, and said which.

use std::os::unix::process::ExitStatusExt;

use anyhow::{Result, ensure};

use crate::session::{First, Outcome};

/// What may come of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The client saw what it sees without the fault.
    Completed,
    /// It was told that it cannot be, or its connection ended, with a reason in the log.
    Refused,
}

/// The reply that stands for a message taken.
pub(crate) const TAKEN: &str = "250 taken\r\n";

/// The codes that the manual pages know for a session that did not end well.
const CODES: [i32; 7] = [1, 14, 15, 16, 17, 18, 111];

impl Outcome {
    pub(crate) fn acknowledged(&self) -> bool {
        self.replies.iter().any(|reply| reply.ends_with(TAKEN))
    }

    /// Whether it is the session of a machine without faults.
    pub(crate) fn is_whole(&self, first: First) -> bool {
        let ends = self.replies.last().is_some_and(|reply| reply.starts_with("221 "));
        ends && self.status.code() == Some(0) && self.replies.len() == first.lines().len() + 1
    }

    /// Judges it. `may_be_silent`: what failed is the way to the client, the log or the
    /// server, and so all may have looked as if one of them had hung up.
    pub(crate) fn verdict(&self, first: First, may_be_silent: bool) -> Result<Verdict> {
        ensure!(!self.log.contains("panicked"), "it panicked: {self:?}");
        ensure!(self.stored <= 1, "stored more than once: {self:?}");
        ensure!(!self.acknowledged() || self.stored == 1, "MESSAGE LOST: {self:?}");
        if self.is_whole(first) {
            ensure!(self.acknowledged(), "unlike others: {self:?}");
            return Ok(Verdict::Completed);
        }
        let code = self.status.code();
        let is_end = may_be_silent && first == First::Fixsmtpio && code == Some(0);
        let is_known = is_end || code.is_some_and(|code| CODES.contains(&code));
        ensure!(is_known, "{:?}: {self:?}", self.status);
        ensure!(self.status.signal().is_none(), "crashed: {self:?}");
        ensure!(may_be_silent || self.says_why(), "neither done nor refused: {self:?}");
        Ok(Verdict::Refused)
    }

    /// Whether the client or the log has a reason.
    pub(crate) fn says_why(&self) -> bool {
        self.replies.last().is_some_and(|reply| reply.starts_with(['4', '5']))
            || self.log.lines().any(is_reason)
    }
}

fn is_reason(line: &str) -> bool {
    ["unable to", "aack,", "timed out", "failed,", "error", "Error"]
        .iter()
        .any(|word| line.contains(word))
}
