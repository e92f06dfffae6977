//! `acceptutils`, the administrator's tool: one program, a subcommand for each task.
//!
//! This file knows the subcommands; each has a module of its own with its options,
//! its work and its errors. Exit codes: 0 done, 1 done with warnings, or not done,
//! 2 what was looked at does not work, or called wrongly.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods)]

mod authorities;
mod certificate;
mod chain;
mod check;
mod client;
mod client_settings;
mod command;
#[cfg(test)]
mod completions;
mod deadline_lines;
mod demo;
mod ending;
mod explain;
mod failures;
mod home;
mod init;
mod mail_server;
mod maildir;
#[cfg(test)]
mod manual;
mod new_user;
mod outcome;
mod passwd;
mod programs;
mod report;
mod run_script;
mod running;
mod services;
mod shown;
mod temporary;
mod terminal;
mod user;
mod way;
mod xml;

use clap::{Parser, Subcommand};
use outcome::Outcome;
use rustix::fs::Mode;
use rustix::process::umask;
use std::process::ExitCode;

/// Set up and maintain mail services with mandatory TLS and login
#[derive(Debug, Parser)]
#[command(name = "acceptutils", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Init(init::Options),
    Check(check::Options),
    Explain(explain::Options),
    Failures(failures::Options),
    Demo(demo::Options),
    Passwd(passwd::Options),
    User(user::Options),
    ClientSettings(client_settings::Options),
    Report(report::Options),
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let task = match Cli::try_parse() {
        Ok(Cli { task }) => task,
        Err(wrong) if wrong.use_stderr() => wrong.exit(),
        // What was asked for: help, or the version.
        Err(about) => {
            outcome::printed(about.print());
            return outcome::exit_code(Outcome::Clean as u8);
        }
    };
    unix::disposition::fail_at_writing();
    // What is made has the mode that is asked for: among it programs run as other users.
    umask(Mode::from_raw_mode(0o022));
    outcome::exit_code(run(task))
}

/// Does it, and says what is wrong; the exit code.
fn run(task: Task) -> u8 {
    let done = match task {
        Task::Init(options) => init::run(&options),
        Task::Check(options) => check::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Report(options) => report::run(&options),
        Task::ClientSettings(options) => client_settings::run(&options),
        Task::Explain(options) => explain::run(&options),
        Task::Failures(options) => failures::run(&options),
        // What it cannot do is 1, as it always was.
        Task::Passwd(options) => return ended(passwd::run(&options)),
        Task::User(options) => return ended(user::run(&options)),
    };
    done.map_or_else(|error| fail(&error, Outcome::Errors), |outcome| outcome as u8)
}

fn ended(done: Result<String, passwd::Error>) -> u8 {
    match done {
        Ok(said) => {
            outcome::print_line(&said);
            Outcome::Clean as u8
        }
        Err(error) => fail(&error, error.outcome()),
    }
}

fn fail(error: &dyn std::fmt::Display, outcome: Outcome) -> u8 {
    outcome::say(error);
    outcome as u8
}
