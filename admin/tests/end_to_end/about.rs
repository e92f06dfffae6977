//! `--help` and `--version`, of each program that has a manual page.

use crate::support::{PROGRAM, built, ends_with, service, stderr, stdout};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use test_support::run::output;

#[test]
fn every_program_says_how_it_is_called_and_its_version() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    let mut count = 0;
    for page in pages.read_dir().unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        let Some(name) = page.strip_suffix(".8") else { continue };
        let ask = |word: &str| {
            // Nothing that it would need is there.
            let mut program = Command::new(built(name));
            output(program.arg(word).env_clear(), b"")
        };
        let (help, version) = (ask("--help"), ask("--version"));
        ends_with(&help, 0);
        assert!(stdout(&help).to_lowercase().contains(&format!("usage: {name}")), "{help:?}");
        assert_eq!(help.stderr, b"", "{name}");
        ends_with(&version, 0);
        assert_eq!(stdout(&version), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// Of acceptutils, whose results are what it is run for. A reader that has gone wants no more.
#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let (folder, dir) = service();
    let dir = dir.to_str().unwrap();
    let (users, memory) = (format!("{dir}/users"), format!("{dir}/failures"));
    let transcript = folder.path().join("transcript");
    std::fs::write(&transcript, "S: 220 hi\nC: QUIT\nS: 221 bye\n").unwrap();
    let transcript = transcript.to_str().unwrap();
    assert!(Path::new(&memory).exists());
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["check", dir], 1),
        (&["check", dir, "--json"], 1),
        (&["client-settings", "apple", dir], 0),
        (&["explain", "--home", dir, transcript], 0),
        (&["explain", "--home", dir, transcript, "--json"], 0),
        (&["failures", dir], 0),
        (&["failures", dir, "--json"], 0),
        (&["failures", dir, "--clear", "--all"], 0),
        (&["report", transcript], 1),
        (&["user", "list", "--file", &users], 0),
        (&["user", "list", "--file", &users, "--json"], 0),
        (&["demo", "--own-server"], 0),
    ] {
        let run = |output: Stdio| {
            let mut command = Command::new(PROGRAM);
            command.args(arguments).env_remove("QMAILHOME").env("TMPDIR", folder.path());
            command.stdin(Stdio::null()).stdout(output).output().unwrap()
        };
        let full = run(File::options().write(true).open("/dev/full").unwrap().into());
        ends_with(&full, 2);
        let said = stderr(&full);
        let expected = "acceptutils: unable to write: standard output: No space left on device\n";
        assert!(said.ends_with(expected), "{arguments:?}: {said}");
        assert_eq!(said.matches(expected).count(), 1, "{arguments:?}: {said}");
        let (reader, gone) = std::io::pipe().unwrap();
        drop(reader);
        let gone = run(gone.into());
        assert_eq!(gone.status.code(), Some(code), "{arguments:?}: {}", stderr(&gone));
        assert!(!stderr(&gone).contains("unable to write"), "{}", stderr(&gone));
    }
}
