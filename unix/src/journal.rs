//! How bad a line of the log is, for the journal: a number in angle brackets before it, as
//! sd-daemon(3) describes it, which the journal takes off again. Nothing for anybody else.

use crate::environment::inherited;
use proto::names::Variable;
use rustix::fs::fstat;
use rustix::stdio::stderr;
use std::sync::OnceLock;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It does not serve.
    Error,
    /// Something went wrong.
    Warning,
    /// The course of things.
    Info,
}

/// What goes before a line of this level.
#[must_use]
pub fn mark(level: Level) -> &'static str {
    static LISTENS: OnceLock<bool> = OnceLock::new();
    if !LISTENS.get_or_init(listens) {
        return "";
    }
    match level {
        Level::Error => "<3>",
        Level::Warning => "<4>",
        Level::Info => "<6>",
    }
}

/// Whether descriptor 2 is what the variable says; it may have been inherited from who has
/// another log.
fn listens() -> bool {
    let Some(stream) = inherited(Variable::JournalStream) else { return false };
    let found = fstat(stderr()).map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    found.is_ok_and(|found| stream.to_str() == Some(&found))
}
