//! What the programs that begin without Rust's runtime still see to at their start,
//! and what those that they become find.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use test_support::log::Log;
use test_support::needs;
use test_support::run::{output, succeeds};
use test_support::wait::for_end;

/// By way of fixsmtpio, which becomes a program at once where it is told to.
fn becoming() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixsmtpio"));
    command.env("NOFIXSMTPIO", "1");
    command
}

/// The same, from a shell's command line: `$0`.
fn from_shell(script: &str) -> Output {
    let fixsmtpio = env!("CARGO_BIN_EXE_fixsmtpio");
    output(Command::new("sh").args(["-c", script, fixsmtpio]).env("NOFIXSMTPIO", "1"), b"")
}

#[test]
fn arguments_and_environment_arrive_as_they_were() {
    let odd = OsStr::from_bytes(b"\xff\n ");
    let mut command = becoming();
    command.args(["sh", "-c", "printf '[%s]' \"$0\" \"$@\" \"$ODD\" \"$EMPTY\""]);
    command.arg("").arg(odd).env("ODD", odd).env("EMPTY", "");
    assert_eq!(output(&mut command, b"").stdout, b"[][\xff\n ][\xff\n ][]");
}

#[test]
fn a_program_is_looked_up_in_path_and_may_be_missing() {
    succeeds(becoming().arg("true"));
    let missing = output(becoming().arg("true").env("PATH", "/nonexistent"), b"");
    assert_eq!(missing.status.code(), Some(14));
    assert_eq!(missing.stdout, b"421 unable to start the mail server (#4.3.0)\r\n");
    let said = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(said, "fixsmtpio: unable to exec: true: No such file or directory\n");
}

#[test]
fn what_is_closed_of_the_first_three_is_opened() {
    let found = from_shell("exec \"$0\" readlink /proc/self/fd/0 /proc/self/fd/2 <&- 2>&-");
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "/dev/null\n/dev/null\n");
}

#[test]
fn the_program_behind_dies_of_a_broken_pipe_as_programs_do() {
    for before in ["", "trap '' PIPE;"] {
        let ended = from_shell(&format!("{before} exec \"$0\" sh -c 'kill -PIPE $$; echo lives'"));
        assert_eq!(ended.status.signal(), Some(13), "{before}: {ended:?}");
    }
}

#[test]
fn a_broken_pipe_is_an_error_and_no_signal() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut filter = Command::new(env!("CARGO_BIN_EXE_qmail-qfilter-addtlsheader"));
    let filter = filter.stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
    let mut filter = filter.spawn().unwrap();
    filter.stdin.take().unwrap().write_all(b"Subject: x\n\nhi\n").unwrap();
    assert_eq!(for_end(&mut filter).code(), Some(1));
    let said = Log::of(filter.stderr.take().unwrap()).line(0) + "\n";
    assert_eq!(said, "qmail-qfilter-addtlsheader: unable to copy message: Broken pipe\n");
}

#[test]
fn a_message_is_not_lost_where_a_descriptor_is_closed() {
    let filter = env!("CARGO_BIN_EXE_qmail-qfilter-addtlsheader");
    for closed in ["<&-", ">&-"] {
        let script = format!("echo hi | {{ exec \"$0\" {closed}; }}");
        let ended = output(Command::new("sh").args(["-c", &script, filter]), b"");
        assert_eq!(ended.status.code(), Some(1), "{closed}");
        let said = String::from_utf8(ended.stderr).unwrap();
        let why = "qmail-qfilter-addtlsheader: unable to copy message: Bad file descriptor\n";
        assert_eq!(said, why, "{closed}");
    }
}

/// By the real softlimit, from where nothing of it can be loaded to where it runs.
#[test]
fn too_little_memory_is_said() {
    needs!("softlimit");
    const SAYS: &str = "fixsmtpio: limit on memory too low\n";
    let limited = |limit: u32| {
        let mut command = Command::new("softlimit");
        command.args(["-m", &limit.to_string(), env!("CARGO_BIN_EXE_fixsmtpio")]);
        output(&mut command, b"")
    };
    let mut ends = (3..200).map(|step| limited(step * 100_000));
    let first = ends.find(|end| end.stderr == SAYS.as_bytes()).unwrap();
    assert_eq!(first.status.code(), Some(111));
    let mut next = ends.skip_while(|end| end.stderr == SAYS.as_bytes());
    let usage = "fixsmtpio: usage: fixsmtpio prog [ arg ... ]\n";
    for runs in next.by_ref().take(20) {
        assert_eq!(String::from_utf8_lossy(&runs.stderr), usage);
    }
}
