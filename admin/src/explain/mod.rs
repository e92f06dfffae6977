//! `acceptutils explain`: which rule of fixsmtpio changed which line into what.
//!
//! A transcript is played to the very dialog that fixsmtpio runs
//! (`proto::relay`), so what is said here is what happens there.

mod narrator;
mod replay;
mod transcript;

use crate::home::usual_home;
use crate::outcome::{Error, Outcome, named, print_line, say};
use clap::{Args, ValueEnum};
use narrator::{Change, Told};
use proto::control::one_line;
use proto::escape::Escaped;
use proto::names::ControlFile;
use proto::ucspi_tls::Tls;
use replay::{Replayed, Surroundings, replay};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use transcript::{Line, Way};
use unix::control::control_file;
use unix::regular_file;

/// Show which rule of fixsmtpio changed which line into what
///
/// Reads a transcript: the log of fixsmtpio with FIXSMTPIODEBUG set, or an SMTP session as
/// plain text, as client and server sent it. Lines may be marked `C: ` and `S: `.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The transcript [default: standard input]
    transcript: Option<PathBuf>,
    /// The folder with control/fixsmtpio in it [default: $QMAILHOME,
    /// /etc/acceptutils, /var/qmail]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The rules file, instead of the one in that folder
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// An environment variable that is set, as AUTHUP_USER is behind authup; may be repeated
    #[arg(long = "set", value_name = "VARIABLE", value_parser = variable)]
    variables: Vec<String>,
    /// The state of TLS; a FIXSMTPIODEBUG transcript has it
    #[arg(long)]
    tls: Option<TlsLevel>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A variable's name; a value with it would have no effect.
fn variable(said: &str) -> Result<String, &'static str> {
    if said.is_empty() || said.contains('=') {
        return Err("the name alone: rules see whether it is set, not to what");
    }
    Ok(said.to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TlsLevel {
    Absent,
    Available,
    Required,
    On,
}

impl From<TlsLevel> for Tls {
    fn from(level: TlsLevel) -> Self {
        match level {
            TlsLevel::Absent => Self::Absent,
            TlsLevel::Available => Self::Available,
            TlsLevel::Required => Self::Required,
            TlsLevel::On => Self::On,
        }
    }
}

/// A change, for a program.
#[derive(Debug, Serialize)]
struct JsonChange {
    session: u32,
    transcript_line: usize,
    is_request: bool,
    rule_line: Option<usize>,
    before: Option<String>,
    after: Option<String>,
    exit_code: Option<u8>,
}

/// Explains; `Warnings` where the transcript says otherwise than these rules.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let home = options.home.clone().unwrap_or_else(usual_home);
    // What is named may be a pipe.
    let (rules_path, rules) = match &options.rules {
        Some(named) => (named.clone(), std::fs::read(named)),
        None => {
            let usual = control_file(&home, ControlFile::Fixsmtpio);
            let rules = regular_file::read(&usual);
            (usual, rules)
        }
    };
    let rules = rules.map_err(|error| Error::read(&rules_path, error))?;
    let greeting = greeting(&home);
    let (name, contents) = read(named(options.transcript.as_deref()))?;
    let lines = transcript::read(&contents)
        .map_err(|unclear| Error::new(format!("{name}:{}: {unclear}", unclear.number)))?;
    if lines.is_empty() {
        return Err(Error::new(format!("{name}: no line of a session in it")));
    }
    let mut sessions: Vec<u32> = lines.iter().map(|line| line.session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let (mut outcome, mut changes) = (Outcome::Clean, Vec::new());
    for session in sessions {
        let lines: Vec<&Line> = lines.iter().filter(|line| line.session == session).collect();
        let replayed = best(&lines, options, &rules, &greeting).map_err(|error| {
            Error::new(format!("{}:{}: {}", rules_path.display(), error.line, error.fault))
        })?;
        if replayed.disagreements > 0 {
            outcome = Outcome::Warnings;
        }
        if options.json {
            changes.extend(replayed.told.iter().filter_map(|told| json(session, told)));
        } else {
            print(&replayed, session, &rules_path);
        }
        warn_of_disagreement(&replayed, &name);
        warn_of_no_greeting(&lines, &name);
    }
    if options.json {
        print_line(
            &serde_json::to_string_pretty(&changes)
                .map_err(|error| Error::new(error.to_string()))?,
        );
    }
    Ok(outcome)
}

fn read(path: Option<&Path>) -> Result<(String, Vec<u8>), Error> {
    let Some(path) = path else {
        let mut contents = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut contents);
        let stdin = Path::new("standard input");
        read.map_err(|error| Error::read(stdin, error))?;
        return Ok((stdin.display().to_string(), contents));
    };
    let contents = std::fs::read(path).map_err(|error| Error::read(path, error))?;
    Ok((path.display().to_string(), contents))
}

/// As fixsmtpio has it; a name to show where there is none.
fn greeting(home: &Path) -> Vec<u8> {
    let read = |file| regular_file::read(&control_file(home, file)).ok();
    let contents = read(ControlFile::SmtpGreeting).or_else(|| read(ControlFile::Me));
    contents.map_or_else(|| b"GREETING".to_vec(), |contents| one_line(&contents).to_vec())
}

/// The replay that agrees best with what the transcript says came of it.
fn best(
    lines: &[&Line],
    options: &Options,
    rules: &[u8],
    greeting: &[u8],
) -> Result<Replayed, proto::relay::rules::RuleError> {
    let tells = lines.iter().any(|line| matches!(line.way, Way::ToServer | Way::ToClient));
    let mut likely = Surroundings::likely(&options.variables);
    if let Some(tls) = options.tls {
        likely.iter_mut().for_each(|surroundings| surroundings.tls = tls.into());
    }
    if !tells {
        likely.truncate(1);
    }
    let replayed: Result<Vec<_>, _> =
        likely.iter().map(|surroundings| replay(lines, rules, greeting, surroundings)).collect();
    let best = replayed?.into_iter().min_by_key(|replayed| replayed.disagreements);
    Ok(best.unwrap_or_default())
}

fn print(replayed: &Replayed, session: u32, rules: &Path) {
    if session != 0 {
        print_line(&format!("fixsmtpio {session}:"));
    }
    for (_, told) in &replayed.told {
        match told {
            Told::Client(text) => print_line(&format!("C: {}", Escaped(text))),
            Told::Server(text) => print_line(&format!("S: {}", Escaped(text))),
            Told::ClientClosed => print_line("(the client closes)"),
            Told::Changed(change) => print_line(&format!("     {}", describe(change, rules))),
        }
    }
}

fn describe(change: &Change, rules: &Path) -> String {
    let quoted = |text: &Vec<u8>| format!("\"{}\"", Escaped(text));
    let who = change
        .rule
        .map_or("fixsmtpio itself".to_owned(), |line| format!("{}:{line}", rules.display()));
    let to = if change.is_request { "the server" } else { "the client" };
    let what = match (&change.before, &change.after) {
        (before, after) if before == after => "leaves it as it is".to_owned(),
        (Some(before), Some(after)) => format!("{} becomes {}", quoted(before), quoted(after)),
        (Some(before), None) => format!("{} does not go to {to}", quoted(before)),
        (None, Some(after)) => format!("{} goes to {to}", quoted(after)),
        (None, None) => "has nothing to change".to_owned(),
    };
    match change.exit {
        Some(code) => format!("{who}: {what}; then exit {code}"),
        None => format!("{who}: {what}"),
    }
}

fn json(session: u32, (transcript_line, told): &(usize, Told)) -> Option<JsonChange> {
    let Told::Changed(change) = told else { return None };
    let text = |text: &Vec<u8>| Escaped(text).to_string();
    Some(JsonChange {
        session,
        transcript_line: *transcript_line,
        is_request: change.is_request,
        rule_line: change.rule,
        before: change.before.as_ref().map(text),
        after: change.after.as_ref().map(text),
        exit_code: change.exit,
    })
}

/// Who copies a part of a session, commonly leaves the greeting out, and a reply is taken for it.
fn warn_of_no_greeting(lines: &[&Line], name: &str) {
    let Some(first) = lines.first().filter(|first| first.way == Way::FromClient) else { return };
    if first.session == 0 {
        let number = first.number;
        say(&format_args!(
            "{name}:{number}: no greeting before the client's first line: the first reply is \
             taken for it: put \"S: 220 x\" before it"
        ));
    }
}

fn warn_of_disagreement(replayed: &Replayed, name: &str) {
    if let Some((line, ours)) = &replayed.disagrees {
        say(&format_args!(
            "{name}:{line}: with these rules it would be \"{}\": are they the ones that \
             the transcript was made with? (See --set and --tls.)",
            Escaped(ours)
        ));
    }
}
