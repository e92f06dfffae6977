//! What it costs to start each program that runs for a connection: instructions, which
//! are the same each time, and time.
//!
//! Each is run in a way that ends it at once: without arguments they say how they are
//! called; qmail-qfilter-addtlsheader copies an empty message.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Bench;
use crate::report::results::median;
use test_support::service::built;

pub(crate) const TABLE: &str = "start of a program";
pub(crate) const INSTRUCTIONS: &str = "instructions";
const TIME: &str = "µs with fork and exec";

pub(crate) const NOTHING: &str = "a static C program that does nothing";
pub(crate) const CHECKNOTROOT: &str = "checknotroot";
pub(crate) const ADDTLSHEADER: &str = "qmail-qfilter-addtlsheader";
const OTHERS: [&str; 5] = [CHECKNOTROOT, ADDTLSHEADER, "authup", "fixsmtpio", "checkpassword-file"];
/// The bare server needs to be told what to be, or says nothing.
const BARE: &str = "bench-stand-in";

const STARTS: usize = 200;

/// All programs.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    println!("{TABLE}");
    let mut programs = vec![(NOTHING.to_owned(), compile_nothing(&bench.output))];
    programs
        .extend(OTHERS.into_iter().chain([BARE]).map(|name| (name.to_owned(), Ok(built(name)))));
    if let Some(folder) = std::env::var_os("C_ACCEPTUTILS") {
        let path = |name| (format!("C {name}"), Ok(PathBuf::from(&folder).join(name)));
        programs.extend(OTHERS.into_iter().map(path).filter(exists));
    }
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..bench.effort.rounds {
        for ((_, path), times) in programs.iter().zip(&mut times) {
            let Ok(path) = path else { continue };
            times.push(time_of_start(path, STARTS / bench.effort.divisor)?);
        }
    }
    for ((name, path), times) in programs.into_iter().zip(times) {
        match path.and_then(|path| instructions(&path, &bench.output)) {
            Ok(count) => {
                bench.results.add(TABLE, &name, INSTRUCTIONS, vec![count]);
                bench.results.add(TABLE, &name, TIME, times);
            }
            Err(reason) => bench.results.miss(TABLE, &name, &reason.to_string()),
        }
    }
    Ok(())
}

fn exists(program: &(String, io::Result<PathBuf>)) -> bool {
    program.1.as_ref().is_ok_and(|path| path.exists())
}

fn compile_nothing(folder: &Path) -> io::Result<PathBuf> {
    let (source, program) = (folder.join("nothing.c"), folder.join("nothing"));
    fs::write(&source, include_str!("../nothing.c"))?;
    let status =
        Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source).status()?;
    if status.success() { Ok(program) } else { Err(io::Error::other("cc failed")) }
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Microseconds until it has ended.
fn time_of_start(program: &Path, count: usize) -> io::Result<f64> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        quiet(program).status()?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&times))
}

/// As callgrind counts them, without the kernel's.
fn instructions(program: &Path, folder: &Path) -> io::Result<f64> {
    let counts = folder.join("callgrind.out");
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&counts);
    quiet(Path::new("valgrind")).arg("--tool=callgrind").arg(option).arg(program).status()?;
    let text = fs::read_to_string(&counts)?;
    fs::remove_file(counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(|| io::Error::other("callgrind counted nothing"))
}
