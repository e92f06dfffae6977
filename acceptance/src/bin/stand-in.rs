//! The stand-in for checkpassword, a mail server, or a program behind.
//!
//! It has no behaviour of its own: the player of a case tells it what to do
//! (`acceptance::stand_in`). Without a player, or once the player is gone, it exits 111.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use acceptance::stand_in::{Hello, Order, SOCKET_VARIABLE, inheritable, receive, send, send_hello};
use anyhow::{Context, Result};
use test_support::service::NOBODY;

fn main() -> ExitCode {
    serve().unwrap_or(ExitCode::from(111))
}

fn serve() -> Result<ExitCode> {
    let socket = std::env::var_os(SOCKET_VARIABLE).context("no player")?;
    let player = UnixStream::connect(socket)?;
    send_hello(&player, &hello()?)?;
    loop {
        match receive(&player)? {
            Order::Exit(code) => return Ok(ExitCode::from(code)),
            Order::Die(signal) => die(signal)?,
            Order::Run => return run(rustix::process::getuid().is_root()),
            Order::RunAsRoot => return run(false),
            Order::ReadRecord => send(&player, &record()?)?,
            Order::Close(descriptor) => nix::unistd::close(i32::from(descriptor))?,
        }
    }
}

fn hello() -> Result<Hello> {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Hello {
        name,
        pid: std::process::id(),
        uid: rustix::process::getuid().as_raw(),
        cwd: std::env::current_dir()?.into_os_string().into_vec(),
        descriptors: inheritable()?,
        arguments: arguments.map(OsStringExt::into_vec).collect(),
        environment: std::env::vars_os()
            .map(|(key, value)| (key.into_vec(), value.into_vec()))
            .collect(),
    })
}

/// What descriptor 3 holds, up to its end.
fn record() -> Result<Vec<u8>> {
    Ok(fs::read("/proc/self/fd/3")?)
}

fn die(signal: u8) -> Result<()> {
    let signal =
        rustix::process::Signal::from_named_raw(i32::from(signal)).context("unknown signal")?;
    // Twice: Rust's handler for SIGSEGV takes the first and steps aside for the next.
    for _ in 0..2 {
        rustix::process::kill_process(rustix::process::getpid(), signal)?;
    }
    Ok(())
}

fn run(become_nobody: bool) -> Result<ExitCode> {
    // Descriptor 3 is not there when the stand-in plays something else than checkpassword.
    let _absent = nix::unistd::close(3);
    let mut arguments = std::env::args_os().skip(1);
    let mut program = Command::new(arguments.next().context("no program to run")?);
    program.args(arguments);
    if become_nobody {
        program.gid(NOBODY).uid(NOBODY);
    }
    let _why = program.exec();
    Ok(ExitCode::from(111))
}
