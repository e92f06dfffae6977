//! What was injected, by kind, and what came of it: the table that the suite writes.
//!
//! `docs/under-attack.md` holds a copy of one run's. No figure is typed in by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use acceptance::suite;
use anyhow::Result;

use crate::verdict::Verdict;

/// A row: what was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Interrupted,
    Failing,
    Unjailed,
    Descriptors,
    Processes,
    Server,
    Inherited,
    Stopped,
    Hanging,
    Terminated,
    Files,
    Clock,
}

const ROWS: [(Kind, &str); 12] = [
    (Kind::Interrupted, "system calls interrupted by a signal, each in turn"),
    (Kind::Failing, "system calls that fail, each in turn, in several ways"),
    (Kind::Unjailed, "steps into the jail that fail, each in turn"),
    (Kind::Descriptors, "limits on descriptors, from 3 up"),
    (Kind::Processes, "limits on processes"),
    (Kind::Server, "servers that die behind fixsmtpio, at each reply"),
    (Kind::Inherited, "signals ignored or blocked by the parent"),
    (Kind::Stopped, "processes stopped and continued, programs that hang"),
    (Kind::Hanging, "login programs that hang, thousands at once"),
    (Kind::Terminated, "processes told to end, at each step"),
    (Kind::Files, "file systems that cannot be written to"),
    (Kind::Clock, "wall clocks that jump at each reading"),
];

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    completed: u64,
    refused: u64,
}

static FIGURES: Mutex<BTreeMap<Kind, Row>> = Mutex::new(BTreeMap::new());

/// One fault was injected into one session, which came to this.
pub(crate) fn count(kind: Kind, verdict: Verdict) {
    let mut rows = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
    let row = rows.entry(kind).or_default();
    match verdict {
        Verdict::Completed => row.completed += 1,
        Verdict::Refused => row.refused += 1,
    }
}

/// The table. What is in it has lost nothing: a session that does fails the suite.
fn table() -> String {
    let rows = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::from(
        "| what was injected | sessions | completed | refused or ended |\n\
         |---|---|---|---|\n",
    );
    let mut all = Row::default();
    for (kind, what) in ROWS {
        let Row { completed, refused } = rows.get(&kind).copied().unwrap_or_default();
        all = Row { completed: all.completed + completed, refused: all.refused + refused };
        let _ = writeln!(text, "| {what} | {} | {completed} | {refused} |", completed + refused);
    }
    let Row { completed, refused } = all;
    let _ = writeln!(text, "| all | {} | {completed} | {refused} |", completed + refused);
    text
}

/// Writes the table into the build's folder, and shows it.
pub(crate) fn write() -> Result<()> {
    suite::write("faults.md", &table())
}

/// The page shows the rows that the suite has.
pub(crate) fn the_page_has_every_row() -> Result<()> {
    ROWS.iter().try_for_each(|(_, what)| suite::row_of_the_page(what).map(drop))
}
