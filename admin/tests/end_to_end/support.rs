//! What the tests of acceptutils share: a folder, the program, a service in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
pub(crate) use test_support::folder::public as folder;
use test_support::folder::{copy_program, make_fifo, write_program};
use test_support::log::Log;
pub(crate) use test_support::needs::{installed_or_skip, is_root, skipped};
use test_support::run::output;
pub(crate) use test_support::run::{stderr, stdout};
pub(crate) use test_support::service::{NOBODY, built};
use test_support::service::{add_user, make_home};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_acceptutils");
/// The password of the user `al`.
pub(crate) const PASSWORD: &str = "correct horse";

/// Runs the program.
pub(crate) fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "")
}

/// Runs the program with this on standard input.
pub(crate) fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    output(command.args(arguments).env_remove("QMAILHOME"), input.as_bytes())
}

/// Fails unless it has ended so; what it wrote on standard output.
#[track_caller]
pub(crate) fn ends_with(output: &Output, code: i32) -> String {
    let said = stdout(output);
    assert_eq!(output.status.code(), Some(code), "{said}{}", stderr(output));
    said
}

/// What it says with these arguments, and ends well.
#[track_caller]
pub(crate) fn succeeds(arguments: &[&str]) -> String {
    ends_with(&run(arguments), 0)
}

/// What it says on standard error with these arguments, by which it fails.
#[track_caller]
pub(crate) fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    ends_with(&output, 2);
    stderr(&output)
}

/// What is found in a service, or a run script.
pub(crate) fn checked(what: &Path) -> String {
    stdout(&run(&["check", what.to_str().unwrap()]))
}

/// The same with a login as `al`, which ends so.
#[track_caller]
pub(crate) fn checked_with_login(what: &Path, password: &str, code: i32) -> String {
    let arguments = ["check", what.to_str().unwrap(), "--login", "al", "--stdin"];
    ends_with(&run_with(&arguments, password), code)
}

/// `al` logs in by what this run script starts.
#[track_caller]
pub(crate) fn al_logs_in(script: &Path) -> String {
    let said = checked_with_login(script, PASSWORD, 0);
    assert!(said.contains("  al is logged in\n"), "{said}");
    said
}

/// A folder with the programs in it that services run, where other users can run
/// them: this one may be in a folder of root's alone.
pub(crate) fn programs(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let chain = ["authup", "checkpassword-file", "checknotroot", "fiximapio", "fixsmtpio"];
    let servers = ["tlsserver", "demo-smtp-into-maildir", "demo-pop3-from-maildir"];
    for name in chain.iter().chain(&servers) {
        copy_program(&built(name), &bin.join(name));
    }
    write_program(&bin.join("imap-stand-in"), IMAP);
    bin
}

/// Stands in for an IMAP server where Dovecot's need not be installed: answers the login that
/// it is told of, and says yes to all the rest.
const IMAP: &str = r#"#!/bin/sh
printf '%s OK in\r\n' "$IMAPLOGINTAG"
while read -r tag command; do
    case $command in
        CAPABILITY*) printf '* CAPABILITY IMAP4rev1 IDLE NAMESPACE UIDPLUS AUTH=PLAIN\r\n' ;;
        LOGOUT*) printf '* BYE\r\n%s OK\r\n' "$tag"; exit ;;
    esac
    printf '%s OK\r\n' "$tag"
done
"#;

/// A service as `init` makes it, with the demonstration servers behind it.
pub(crate) fn init(dir: &Path, bin: &Path) -> Output {
    let smtp = bin.join("demo-smtp-into-maildir").display().to_string();
    let pop3 = format!("{} Maildir", bin.join("demo-pop3-from-maildir").display());
    let imap = bin.join("imap-stand-in").display().to_string();
    let (dir, bin) = (dir.to_str().unwrap(), bin.to_str().unwrap());
    let service = ["init", dir, "--host", "mail.example.org", "--bin", bin];
    let mail = ["--submission", &smtp, "--incoming", &smtp, "--pop3", &pop3, "--imap", &imap];
    let users = ["--incoming-user", "mail", "--jail-user", "daemon"];
    run(&[&service[..], &mail, &users].concat())
}

/// One in a folder of its own.
pub(crate) fn service() -> (TempDir, PathBuf) {
    let folder = folder();
    let dir = folder.path().join("service");
    ends_with(&init(&dir, &programs(folder.path())), 0);
    (folder, dir)
}

/// Adds the user `al`, with a home folder beside the service.
pub(crate) fn add_al(dir: &Path) {
    let home = dir.with_file_name("al");
    make_home(&home);
    add_user(&mut Command::new(PROGRAM), &dir.join("users"), &home, PASSWORD);
}

/// Has a run script take a free port of this machine, and say which on a pipe, where
/// its log goes too; that is followed.
pub(crate) fn here(service: &Path) -> Log {
    let (script, pipe) = (service.join("run"), service.join("output"));
    make_fifo(&pipe);
    let mut text = std::fs::read_to_string(&script).unwrap();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        text = text.replace(from, to);
    };
    replace("exec 2>&1\n", &format!("exec >{} 2>&1\n", pipe.display()));
    replace("exec tlsserver ", "exec tlsserver -1 ");
    let ports = ["587", "465", "25", "110", "995", "143", "993"];
    let everywhere = ["::", "0"].map(|host| ports.map(|port| format!(" {host} {port} ")));
    for listens in everywhere.as_flattened() {
        text = text.replace(listens, " 127.0.0.1 0 ");
    }
    if !is_root() {
        text = text.replace(" -u 8 -g 8", "");
    }
    assert!(text.contains(" 127.0.0.1 0 "), "{text}");
    write_program(&script, &text);
    let log = service.join("log/run");
    let text = std::fs::read_to_string(&log).unwrap();
    let folder = service.join("log/main").display().to_string();
    assert!(text.contains("log=/var/log/acceptutils/"), "{text}");
    let lines = text.lines().map(|line| match line.starts_with("log=") {
        true => format!("log={folder}\n"),
        false => format!("{line}\n"),
    });
    write_program(&log, &lines.collect::<String>());
    Log::of_fifo(&pipe)
}
