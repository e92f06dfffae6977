//! What was tried, by kind, and what came of it: the table that the suite writes.
//!
//! `docs/under-attack.md` holds a copy of one run's. No figure is typed in by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use acceptance::suite;
use anyhow::{Result, ensure};

/// A row: what was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Injection,
    Smuggling,
    SmugglingAlone,
    Sasl,
    Line,
    Unread,
    CutOff,
    Forging,
    Descriptor,
    Variable,
    LeftBehind,
    Idle,
    Held,
}

/// What is counted, and what must not come of it.
const ROWS: [(Kind, &str, &str); 13] = [
    (Kind::Injection, "plaintext after STARTTLS and STLS, split everywhere", "read as commands"),
    (Kind::Smuggling, "false ends of a message, then another message", "second messages"),
    (Kind::SmugglingAlone, "the same, without fixsmtpio", "second messages"),
    (Kind::Sasl, "malformed logins and SASL exchanges", "accepted as a login"),
    (Kind::Line, "endless lines, NULs, single octets", "misread"),
    (Kind::Unread, "pipelined commands before a reply is read", "replies lost"),
    (
        Kind::CutOff,
        "dialogs cut off: end of input, close, reset, at each step",
        "messages delivered",
    ),
    (Kind::Forging, "names with line breaks and escape sequences", "log lines forged"),
    (Kind::Descriptor, "descriptors in child processes", "not documented"),
    (Kind::Variable, "variables in child processes", "not documented"),
    (Kind::LeftBehind, "sessions examined after their end", "processes left"),
    (Kind::Idle, "processes whose client stalls, in a quiet round", "wake-ups"),
    (Kind::Held, "connections held before a login", "additional processes"),
];

/// The figures of this run.
pub(crate) static FIGURES: Figures =
    Figures(Mutex::new(Counts { rows: BTreeMap::new(), sessions: 0, peaks: BTreeMap::new() }));

/// Counts, from all tests at once.
pub(crate) struct Figures(Mutex<Counts>);

struct Counts {
    rows: BTreeMap<Kind, (u64, u64)>,
    sessions: u64,
    peaks: BTreeMap<String, [u64; 2]>,
}

impl Figures {
    /// So many were tried, and of so many came what must not.
    pub(crate) fn add(&self, kind: Kind, tried: usize, through: usize) {
        self.with(|counts| {
            let row = counts.rows.entry(kind).or_default();
            row.0 += tried as u64;
            row.1 += through as u64;
        });
    }

    /// So many connections were made.
    pub(crate) fn sessions(&self, count: u64) {
        self.with(|counts| counts.sessions += count);
    }

    /// The most memory, in KiB, that a process had after little and after much input.
    pub(crate) fn peak(&self, process: &str, little: u64, much: u64) {
        self.with(|counts| {
            let row = counts.peaks.entry(process.to_owned()).or_default();
            *row = [row[0].max(little), row[1].max(much)];
        });
    }

    fn with(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The tables, and how many connections there were.
    pub(crate) fn table(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from("| attack | number | result |\n|---|---|---|\n");
        for (kind, what, outcome) in ROWS {
            let (tried, through) = counts.rows.get(&kind).copied().unwrap_or_default();
            let _ = writeln!(text, "| {what} | {tried} | {through} {outcome} |");
        }
        let _ = writeln!(text, "\nConnections: {}.\n", counts.sessions);
        text.push_str("| peak memory (VmHWM) | after 1 MB | after 100 MB |\n|---|---|---|\n");
        for (process, [little, much]) in &counts.peaks {
            let _ = writeln!(text, "| {process} | {little} kB | {much} kB |");
        }
        text
    }
}

/// Writes the tables into the build's folder.
pub(crate) fn write() -> Result<()> {
    suite::write("under-attack.md", &FIGURES.table())
}

/// The page shows the rows that the suite has, and no others.
pub(crate) fn the_page_has_every_row() -> Result<()> {
    for (_, what, outcome) in ROWS {
        let row = suite::row_of_the_page(what)?;
        ensure!(row.ends_with(&format!(" {outcome} |")), "{row}");
    }
    Ok(())
}
