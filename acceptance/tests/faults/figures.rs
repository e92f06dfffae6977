//! What was injected, by kind, and what came of it: the table that the suite writes.
//!
//! `docs/under-attack.md` holds a copy of one run's. No figure is typed in by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

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

impl Kind {
    const ALL: [Self; 12] = [
        Self::Interrupted,
        Self::Failing,
        Self::Unjailed,
        Self::Descriptors,
        Self::Processes,
        Self::Server,
        Self::Inherited,
        Self::Stopped,
        Self::Hanging,
        Self::Terminated,
        Self::Files,
        Self::Clock,
    ];

    const fn says(self) -> &'static str {
        match self {
            Self::Interrupted => "system calls interrupted by a signal, each in turn",
            Self::Failing => "system calls that fail, each in turn, in several ways",
            Self::Unjailed => "steps into the jail that fail, each in turn",
            Self::Descriptors => "limits on descriptors, from 3 up",
            Self::Processes => "limits on processes",
            Self::Server => "servers that die behind fixsmtpio, at each reply",
            Self::Inherited => "signals ignored or blocked by whoever starts us",
            Self::Stopped => "processes stopped and continued, programs that hang",
            Self::Hanging => "login programs that hang, thousands at once",
            Self::Terminated => "processes told to end, at each step",
            Self::Files => "file systems that take nothing",
            Self::Clock => "clocks of day that jump each time they are looked at",
        }
    }
}

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
        "| what was injected | sessions | completed all the same | refused, or ended |\n\
         |---|---|---|---|\n",
    );
    let mut all = Row::default();
    for kind in Kind::ALL {
        let Row { completed, refused } = rows.get(&kind).copied().unwrap_or_default();
        all = Row { completed: all.completed + completed, refused: all.refused + refused };
        let _ = writeln!(
            text,
            "| {} | {} | {completed} | {refused} |",
            kind.says(),
            completed + refused
        );
    }
    let Row { completed, refused } = all;
    let _ = writeln!(text, "| all | {} | {completed} | {refused} |", completed + refused);
    text
}

/// Writes the table into the build's folder, and shows it.
pub(crate) fn write() -> Result<()> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("the test executable lies in no build")?;
    let path = target.join("faults.md");
    fs::write(&path, table()).with_context(|| path.display().to_string())
}

/// The page shows the rows that the suite has.
pub(crate) fn the_page_has_every_row() -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/under-attack.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    for kind in Kind::ALL {
        let what = kind.says();
        ensure!(page.contains(&format!("\n| {what} | ")), "docs/under-attack.md lacks {what:?}");
    }
    Ok(())
}
