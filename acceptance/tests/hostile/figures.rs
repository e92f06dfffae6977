//! What was tried, by kind, and what came of it: the table that the suite writes.
//!
//! `docs/under-attack.md` holds a copy of one run's. No figure is typed in by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

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

impl Kind {
    const ALL: [Self; 13] = [
        Self::Injection,
        Self::Smuggling,
        Self::SmugglingAlone,
        Self::Sasl,
        Self::Line,
        Self::Unread,
        Self::CutOff,
        Self::Forging,
        Self::Descriptor,
        Self::Variable,
        Self::LeftBehind,
        Self::Idle,
        Self::Held,
    ];

    /// What is counted, and what must not come of it.
    const fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::Injection => {
                ("plaintext behind STARTTLS and STLS, cut everywhere", "read as commands")
            }
            Self::Smuggling => {
                ("ends of data that are none, with a message behind", "second messages")
            }
            Self::SmugglingAlone => ("the same, without fixsmtpio", "second messages"),
            Self::Sasl => ("logins and exchanges that are none", "taken for a login"),
            Self::Line => ("lines without end, NULs, octet by octet", "taken for something else"),
            Self::Unread => ("pipelined commands before a reply is read", "replies lost"),
            Self::CutOff => {
                ("dialogs cut off: end of input, close, reset, at each step", "messages delivered")
            }
            Self::Forging => ("names with line breaks and escape sequences", "log lines forged"),
            Self::Descriptor => ("descriptors found in children", "not promised"),
            Self::Variable => ("variables found in children", "not promised"),
            Self::LeftBehind => ("sessions looked over after their end", "processes left"),
            Self::Idle => ("processes whose client stalls", "wake-ups"),
            Self::Held => ("connections held before a login", "processes more"),
        }
    }
}

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
        for kind in Kind::ALL {
            let (tried, through) = counts.rows.get(&kind).copied().unwrap_or_default();
            let (what, outcome) = kind.says();
            let _ = writeln!(text, "| {what} | {tried} | {through} {outcome} |");
        }
        let _ = writeln!(text, "\nConnections: {}.\n", counts.sessions);
        text.push_str("| most memory (VmHWM) | after 1 MB | after 100 MB |\n|---|---|---|\n");
        for (process, [little, much]) in &counts.peaks {
            let _ = writeln!(text, "| {process} | {little} kB | {much} kB |");
        }
        text
    }
}

/// Writes the tables into the build's folder.
pub(crate) fn write() -> Result<()> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("the test executable lies in no build")?;
    let path = target.join("under-attack.md");
    fs::write(&path, FIGURES.table()).with_context(|| path.display().to_string())
}

/// The page shows the rows that the suite has, and no others.
pub(crate) fn the_page_has_every_row() -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/under-attack.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    for kind in Kind::ALL {
        let (what, outcome) = kind.says();
        let row = page.lines().find(|line| line.starts_with(&format!("| {what} | ")));
        let row = row.with_context(|| format!("docs/under-attack.md has no row {what:?}"))?;
        ensure!(row.ends_with(&format!(" {outcome} |")), "{row}");
    }
    Ok(())
}
