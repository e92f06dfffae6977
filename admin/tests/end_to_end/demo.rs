//! `acceptutils demo`, as built: as root and as an ordinary user, and nothing is left.

use crate::support::{
    NOBODY, PROGRAM, beside, ends_with, folder, installed_or_skip, is_root, programs, skipped,
    stderr, stdout,
};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Nothing of the demonstration is in its temporary folder, and no process has
/// anything to do with it.
#[track_caller]
fn nothing_is_left(temporary: &Path) {
    assert_eq!(temporary.read_dir().unwrap().count(), 0);
    let name = temporary.as_os_str().as_encoded_bytes();
    for process in Path::new("/proc").read_dir().unwrap() {
        let process = process.unwrap().path();
        for file in ["cmdline", "environ"] {
            // Gone by now, or somebody else's.
            let said = std::fs::read(process.join(file)).unwrap_or_default();
            let is_its = said.windows(name.len()).any(|window| window == name);
            assert!(!is_its, "{}: {}", process.display(), String::from_utf8_lossy(&said));
        }
    }
}

#[track_caller]
fn shows_both_conversations(output: &Output) {
    ends_with(output, 0);
    let said = stdout(output);
    for expected in [
        "  client   STARTTLS\n",
        "  ------ TLS begins: TLSv1.3",
        "  server | 235 ok, go ahead (#2.0.0)\n",
        "  client   STLS\n",
        "  client | RETR 1\n",
        "  server | Subject: Through the front door\n",
        "\nThe message is back, as it was sent.\n",
    ] {
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    let imap = usize::from(Path::new("/usr/lib/dovecot/imap").exists());
    assert_eq!(said.matches("TLS begins").count(), 3 + imap, "{said}");
    assert_eq!(said.matches("  server | * 1 FETCH ").count(), imap, "{said}");
    assert_eq!(said.matches("  server | Subject: Through the front door\n").count(), 1 + imap);
    assert!(!said.contains('\x1b'), "colour only on a terminal");
    assert_eq!(stderr(output), "");
}

#[test]
fn shows_itself_and_leaves_nothing() {
    let temporary = folder();
    let output = Command::new(PROGRAM).arg("demo").env("TMPDIR", temporary.path()).output();
    shows_both_conversations(&output.unwrap());
    nothing_is_left(temporary.path());
}

#[test]
fn an_ordinary_user_can_run_it() {
    let temporary = folder();
    if !is_root() {
        return skipped("an_ordinary_user_can_run_it", "the other one did just that");
    }
    let bin = programs(temporary.path());
    let program = bin.join("acceptutils");
    std::fs::copy(PROGRAM, &program).unwrap();
    let own = temporary.path().join("tmp");
    std::fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new(program)
        .arg("demo")
        .env("TMPDIR", &own)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    shows_both_conversations(&output);
    nothing_is_left(&own);
}

#[test]
fn is_in_colour_on_a_terminal_if_nobody_minds() {
    if !installed_or_skip("is_in_colour_on_a_terminal_if_nobody_minds", "script") {
        return;
    }
    let temporary = folder();
    let at_terminal = |no_color: &str| {
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &format!("{PROGRAM} demo"), "/dev/null"]);
        command.env("TMPDIR", temporary.path()).env("NO_COLOR", no_color).stdin(Stdio::null());
        let output = command.output().unwrap();
        ends_with(&output, 0);
        stdout(&output)
    };
    let said = at_terminal("");
    for expected in ["\x1b[36mclient   STLS\x1b[0m", "\x1b[32mserver | ", "\x1b[1;33m------ TLS"] {
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    assert!(!at_terminal("1").contains('\x1b'));
}

#[test]
fn keeps_running_until_a_signal_and_leaves_nothing_then() {
    for signal in [2, 15] {
        let temporary = folder();
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--keep"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = lines.find_map(|line| {
            let port = line.strip_prefix("  POP3: port ")?.split(' ').next()?.parse::<u16>();
            Some(port.unwrap())
        });
        assert!(lines.any(|line| line == "Running until Ctrl-C."));
        let mut greeting = String::new();
        let client = TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap();
        BufReader::new(&client).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("+OK "), "{greeting}");
        let pid = child.id().to_string();
        let killed = Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert!(killed.success());
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(128 + signal), None));
        nothing_is_left(temporary.path());
    }
}

#[test]
fn what_fails_leaves_nothing_either() {
    let temporary = folder();
    let bin = programs(temporary.path());
    let program = bin.join("acceptutils");
    std::fs::copy(PROGRAM, &program).unwrap();
    let own = temporary.path().join("tmp");
    std::fs::create_dir(&own).unwrap();
    let run = || Command::new(&program).arg("demo").env("TMPDIR", &own).output().unwrap();

    // A program that does not do its work: the conversation fails.
    std::fs::copy(beside("checknotroot"), bin.join("fixsmtpio")).unwrap();
    let output = run();
    ends_with(&output, 2);
    assert!(stderr(&output).contains("\nacceptutils: the server said: "), "{}", stderr(&output));
    nothing_is_left(&own);

    // A program that is not there.
    std::fs::remove_file(bin.join("tlsserver")).unwrap();
    let output = run();
    ends_with(&output, 2);
    assert!(
        stderr(&output).contains("tlsserver: No such file or directory"),
        "{}",
        stderr(&output)
    );
    nothing_is_left(&own);
}
