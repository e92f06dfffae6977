//! `acceptutils`, the administrator's tool: one program, a subcommand for each task.
//!
//! This file knows the subcommands; each has a module of its own with its options,
//! its work and its errors. Exit codes: 0 done, 1 not done, 2 called wrongly.

#![forbid(unsafe_code)]

mod passwd;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Sets up and looks after mail services with mandatory TLS and login.
#[derive(Debug, Parser)]
#[command(name = "acceptutils", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Passwd(passwd::Options),
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Passwd(options) => passwd::run(&options),
    };
    match done {
        Ok(said) => {
            let _ = writeln!(std::io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            unix::log::line(format_args!("acceptutils: "), format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}
