//! What a look at the files brings to light.

use crate::outcome::{Error, Outcome, print_line};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use unix::log::Reason;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Worth knowing.
    Note,
    /// It works, though hardly as meant.
    Warning,
    /// It does not work, or is not safe.
    Error,
}

/// One thing to know.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    severity: Severity,
    file: PathBuf,
    line: Option<usize>,
    column: Option<usize>,
    text: String,
}

/// All of them, each once.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    file: &'a Path,
    line: Option<usize>,
    column: Option<usize>,
}

impl<'a> From<&'a Path> for Place<'a> {
    fn from(file: &'a Path) -> Self {
        Self { file, line: None, column: None }
    }
}

impl<'a> From<&'a PathBuf> for Place<'a> {
    fn from(file: &'a PathBuf) -> Self {
        file.as_path().into()
    }
}

impl<'a> Place<'a> {
    /// A line of a file, from 1.
    pub(super) fn line(file: &'a Path, line: usize) -> Self {
        Self { file, line: Some(line), column: None }
    }

    /// A column of it, from 1.
    pub(super) fn column(file: &'a Path, line: usize, column: usize) -> Self {
        Self { file, line: Some(line), column: Some(column) }
    }
}

impl Findings {
    pub(super) fn error<'a>(&mut self, place: impl Into<Place<'a>>, text: impl Into<String>) {
        self.add(Severity::Error, place.into(), text.into());
    }

    pub(super) fn warning<'a>(&mut self, place: impl Into<Place<'a>>, text: impl Into<String>) {
        self.add(Severity::Warning, place.into(), text.into());
    }

    pub(super) fn note<'a>(&mut self, place: impl Into<Place<'a>>, text: impl Into<String>) {
        self.add(Severity::Note, place.into(), text.into());
    }

    /// The system's reason why a file cannot be used.
    pub(super) fn unusable<'a>(&mut self, place: impl Into<Place<'a>>, error: &io::Error) {
        self.error(place, Reason(error).to_string());
    }

    fn add(&mut self, severity: Severity, place: Place<'_>, text: String) {
        let Place { file, line, column } = place;
        let is_known = |known: &Finding| {
            known.file == file && known.line == line && known.column == column && known.text == text
        };
        if !self.0.iter().any(is_known) {
            self.0.push(Finding { severity, file: file.to_owned(), line, column, text });
        }
    }

    /// Prints them all; the worst says how the task ends.
    pub(super) fn report(&self, json: bool) -> Result<Outcome, Error> {
        if json {
            let text = serde_json::to_string_pretty(&self.0);
            print_line(&text.map_err(|error| Error::new(error.to_string()))?);
        } else {
            self.0.iter().for_each(|finding| print_line(&finding.to_string()));
            let count = |wanted| self.0.iter().filter(|found| found.severity == wanted).count();
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let s = |number| if number == 1 { "" } else { "s" };
            let (of_errors, of_warnings) = (s(errors), s(warnings));
            print_line(&format!("{errors} error{of_errors}, {warnings} warning{of_warnings}"));
        }
        Ok(match self.0.iter().map(|finding| finding.severity).max() {
            None | Some(Severity::Note) => Outcome::Clean,
            Some(Severity::Warning) => Outcome::Warnings,
            Some(Severity::Error) => Outcome::Errors,
        })
    }
}

#[cfg(test)]
impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}", self.file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.text)
    }
}
