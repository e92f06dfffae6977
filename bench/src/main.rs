//! The tables of `make bench`: our programs beside the bare server and the peers that
//! Debian has, in one run on one machine, with one load generator. Only the ratios mean
//! anything elsewhere.
//!
//! ```text
//! bench [--only PART] [--quick] [--output DIR]   measures, prints, writes into DIR
//! bench docs [--output DIR] [--docs DIR]         puts what the last run wrote into the documentation
//! bench load PORT                                puts load on a server that runs, for a profiler
//! ```

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod client;
mod parts;
mod processes;
mod report;
mod servers;
mod service;

use lexopt::{Arg, Parser, ValueExt};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use client::{Conversation, Security};
use parts::{Bench, Effort};
use report::results::Results;
use report::{docs, goals, plot, table};
use service::Protocol;

type Part = fn(&mut Bench) -> io::Result<()>;
const PARTS: [(&str, Part); 8] = [
    ("sessions", parts::sessions::run),
    ("throughput", parts::throughput::run),
    ("idle", parts::idle::run),
    ("logged-in", parts::logged_in::run),
    ("startup", parts::startup::run),
    ("failures", parts::failures::run),
    ("imap", parts::imap::run),
    ("growth", parts::growth::run),
];

fn main() -> ExitCode {
    let done =
        Arguments::read(Parser::from_env()).map_err(io::Error::other).and_then(|arguments| {
            match arguments.task.as_deref() {
                None => measure(&arguments),
                Some("docs") => {
                    docs::write(&arguments.output, &arguments.docs, &PARTS.map(|part| part.0))
                }
                Some("load") => put_load(arguments.port),
                Some(other) => Err(io::Error::other(format!("{other}: no such task"))),
            }
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    task: Option<String>,
    port: u16,
    only: Option<String>,
    quick: bool,
    output: PathBuf,
    docs: PathBuf,
}

impl Arguments {
    fn read(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let (output, docs) = ("target/bench".into(), "docs".into());
        let mut read = Self { task: None, port: 0, only: None, quick: false, output, docs };
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("only") => read.only = Some(parser.value()?.string()?),
                Arg::Long("quick") => read.quick = true,
                Arg::Long("output") => read.output = parser.value()?.into(),
                Arg::Long("docs") => read.docs = parser.value()?.into(),
                Arg::Value(port) if read.task.is_some() => read.port = port.parse()?,
                Arg::Value(task) => read.task = Some(task.string()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(read)
    }
}

fn measure(arguments: &Arguments) -> io::Result<()> {
    let is_wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    if !PARTS.iter().any(|part| is_wanted(part.0)) {
        let names = PARTS.map(|part| part.0).join(", ");
        return Err(io::Error::other(format!("no such part; there are {names}")));
    }
    allow_descriptors();
    make_root_folder();
    // What the servers leave behind is ours to wait for.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    fs::create_dir_all(&arguments.output)?;
    let effort = if arguments.quick { Effort::QUICK } else { Effort::WHOLE };
    let mut bench = Bench::new(effort, arguments.quick, arguments.output.clone())?;
    for (name, run) in PARTS.into_iter().filter(|part| is_wanted(part.0)) {
        println!("{name}:");
        run(&mut bench)?;
        bench.results.parts.push(name.to_owned());
    }
    bench.results.goals = goals::of(&bench.results);
    write(&bench.results, &arguments.output)
}

/// The jails' root folder, which installed services have; only root can make it.
fn make_root_folder() {
    use std::os::unix::fs::DirBuilderExt;
    let _ = fs::DirBuilder::new().mode(0o755).create("/var/empty");
}

/// Thousands of connections are held.
fn allow_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn write(results: &Results, output: &Path) -> io::Result<()> {
    let text = table::markdown(results);
    println!("\n{text}");
    fs::write(output.join("table.md"), text)?;
    fs::write(output.join("contestants.svg"), plot::bars::draw(results))?;
    fs::write(output.join("growth.svg"), plot::curves::draw(results))?;
    let json = serde_json::to_string_pretty(results).map_err(io::Error::other)?;
    fs::write(output.join("results.json"), json)?;
    println!("written to {}: table.md, results.json, *.svg", output.display());
    Ok(())
}

/// Prints how many sessions of EHLO, STARTTLS, EHLO, QUIT there were each second.
fn put_load(port: u16) -> io::Result<()> {
    let (protocol, security) = (Protocol::Smtp, Security::Start);
    let conversation = Conversation { protocol, security, login: false, message: 0 };
    let config = client::client_config()?;
    let done = client::load::sessions(port, conversation, &config, 64, Duration::from_secs(5));
    println!("{:.0} sessions/s, {} failed", done.each_second(), done.failed);
    Ok(())
}
