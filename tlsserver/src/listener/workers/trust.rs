//! How far another process is trusted: for how long without an answer, and with how many lines
//! for the log.

/// How many questions may be unanswered when the next one is due. It is counted in
/// questions, not by the clock: a machine that stood still asks no more either.
const MOST_UNANSWERED: u32 = 2;

/// How many lines for the log each connection is worth, and each jailed process beside; an
/// honest engine has two to say of one at most. Whoever has taken one over would fill the disk.
const LINES: usize = 4;

/// Whether it still does its work.
#[derive(Debug, Default)]
pub(super) struct Questions {
    unanswered: u32,
}

impl Questions {
    /// Whether those that are unanswered are so many that it is stuck.
    pub(super) const fn are_too_many(&self) -> bool {
        self.unanswered >= MOST_UNANSWERED
    }

    pub(super) const fn are_answered(&self) -> bool {
        self.unanswered == 0
    }

    pub(super) const fn asked(&mut self) {
        self.unanswered += 1;
    }

    pub(super) const fn answered(&mut self) {
        self.unanswered = 0;
    }
}

/// What it may still have logged.
#[derive(Debug)]
pub(super) struct LogBudget {
    lines: usize,
}

impl LogBudget {
    pub(super) const fn new() -> Self {
        Self { lines: LINES }
    }

    /// It has one more connection.
    pub(super) const fn grow(&mut self) {
        self.lines = self.lines.saturating_add(LINES);
    }

    /// Takes a line; false where none is left: an honest process needs no more.
    pub(super) const fn take(&mut self) -> bool {
        let Some(left) = self.lines.checked_sub(1) else { return false };
        self.lines = left;
        true
    }
}
