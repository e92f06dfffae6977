//! `acceptutils demo`, as built: before the mail server that is installed and before its own,
//! as root and as an ordinary user; nothing is left. `acceptance/tests/package` runs it before
//! Exim and Postfix on machines of their own, and looks for traces there.

use crate::support::{
    NOBODY, PROGRAM, built, ends_with, folder, installed_or_skip, is_root, programs, skipped,
    stderr,
};
use rustix::process::Signal;
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use test_support::client;
use test_support::folder::copy_program;
use test_support::needs;
use test_support::process::signal;
use test_support::run::{output, succeeds};
use test_support::talking::{Talking, rest, up_to_line};
use test_support::wait::for_end;

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

/// Where there is Exim, and mounts of one's own may be had.
fn installed_server() -> bool {
    let may_mount =
        || output(Command::new("unshare").args(["--mount", "true"]), b"").status.success();
    is_root()
        && installed_or_skip("the demonstration with Exim", "update-exim4.conf")
        && may_mount()
}

/// The server that is meant, named as it names itself.
const EXIM: [&str; 2] = ["The mail server is Exim, as it is installed here", " (Exim "];

#[track_caller]
fn shows_both_conversations(output: &Output, server: &[&str]) {
    let said = ends_with(output, 0);
    for expected in server.iter().chain(&[
        "  client   STARTTLS\n",
        "  ------ TLS begins: TLSv1.3",
        "  server | 235 ok, go ahead (#2.0.0)\n",
        "  client   STLS\n",
        "  client | RETR 1\n",
        "  server | Subject: Through the front door\n",
        "\nThe message is back, as it was sent.\n",
    ]) {
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    let imap = usize::from(Path::new("/usr/lib/dovecot/imap").exists());
    assert_eq!(said.matches("TLS begins").count(), 3 + imap, "{said}");
    assert_eq!(said.matches("  server | * 1 FETCH ").count(), imap, "{said}");
    assert_eq!(said.matches("  server | Subject: Through the front door\n").count(), 1 + imap);
    assert!(!said.contains('\x1b'), "colour only on a terminal");
    assert_eq!(stderr(output), "");
}

/// As a user who has this one, and may have no more.
#[test]
fn without_another_process_it_says_so() {
    needs!("root", "prlimit");
    let folder = folder();
    let program = programs(folder.path()).join("acceptutils");
    copy_program(Path::new(PROGRAM), &program);
    let mut command = Command::new("prlimit");
    command.arg("--nproc=1:1").arg(program).args(["demo", "--own-server"]);
    // Nobody else is.
    let output = output(command.uid(54321).gid(54321).current_dir("/"), b"");
    ends_with(&output, 2);
    let why = "unable to wait for signals: Resource temporarily unavailable";
    assert_eq!(stderr(&output), format!("acceptutils: {why}\n"));
}

#[test]
fn shows_itself_and_leaves_nothing() {
    let temporary = folder();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("TMPDIR", temporary.path());
        // No service's: what is shown is what a supervisor would start.
        command.env("DISABLETLS", "1");
        let output = output(&mut command, b"");
        nothing_is_left(temporary.path());
        output
    };
    let why = |why: &str| format!("a small one of the demonstration's own: {why}.\n");
    let said = run(PROGRAM, &["demo", "--own-server"]);
    shows_both_conversations(&said, &[&why("as asked")]);
    if !installed_server() {
        return;
    }
    shows_both_conversations(&run(PROGRAM, &["demo"]), &EXIM);
    let unable = run("setpriv", &["--bounding-set", "-sys_admin", PROGRAM, "demo"]);
    let why = why("unable to have mounts of its own: Operation not permitted");
    shows_both_conversations(&unable, &[&why]);
}

#[test]
fn a_folder_that_a_run_script_would_need_quoted_is_refused() {
    let folder = folder();
    for name in ["t m p", "it's", "$HOME"] {
        let temporary = folder.path().join(name);
        std::fs::create_dir(&temporary).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["demo", "--own-server"]).env("TMPDIR", &temporary);
        let said = output(&mut command, b"");
        ends_with(&said, 2);
        let path = temporary.display();
        let expected = format!("unusable folder: {path}: a run script would need it quoted\n");
        assert_eq!(stderr(&said), format!("acceptutils: {expected}"));
        nothing_is_left(&temporary);
    }
    // Nobody but root would get copies of the programs.
    let (bin, own) = copied(folder.path());
    let programs = bin.with_file_name("b i n");
    std::fs::rename(bin, &programs).unwrap();
    let mut command = Command::new(programs.join("acceptutils"));
    command.args(["demo", "--own-server"]).env("TMPDIR", &own).current_dir("/");
    if is_root() {
        std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let said = stderr(&output(&mut command, b""));
    let path = programs.display();
    assert!(said.ends_with(&format!("{path}: a run script would need it quoted\n")), "{said}");
    nothing_is_left(&own);
}

#[test]
fn what_the_mail_server_refuses_its_log_explains() {
    let temporary = folder();
    if !installed_server() {
        return;
    }
    // A configuration that takes nothing, by a mount of the test's own.
    let script = "echo 'keep_environment =' >\"$1/nothing\" && \
                  mount --bind \"$1/nothing\" /var/lib/exim4/config.autogenerated && \
                  TMPDIR=$1/tmp exec \"$2\" demo";
    let own = temporary.path().join("tmp");
    std::fs::create_dir(&own).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(temporary.path()).arg(PROGRAM);
    let said = output(&mut command, b"");
    ends_with(&said, 2);
    let said = stderr(&said);
    let (logs, last) = said.trim_end().rsplit_once('\n').unwrap();
    assert!(last.starts_with("acceptutils: the server said: 550 "), "{said}");
    let its = logs.lines().filter(|line| line.starts_with("mail-server: "));
    let refused = "rejected RCPT <al@localhost>";
    assert!(its.clone().any(|line| line.contains(refused)), "{said}");
    nothing_is_left(&own);
}

/// A folder with copies of all programs, and one for what they make.
fn copied(folder: &Path) -> (PathBuf, PathBuf) {
    let (bin, own) = (programs(folder), folder.join("tmp"));
    copy_program(Path::new(PROGRAM), &bin.join("acceptutils"));
    std::fs::create_dir(&own).unwrap();
    (bin, own)
}

#[test]
fn an_ordinary_user_can_run_it() {
    if !is_root() {
        return skipped("an_ordinary_user_can_run_it", "the other one did just that");
    }
    let temporary = folder();
    let (bin, own) = copied(temporary.path());
    let program = bin.join("acceptutils");
    std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(program);
    command.arg("demo").env("TMPDIR", &own).current_dir("/").uid(NOBODY).gid(NOBODY);
    let output = output(&mut command, b"");
    shows_both_conversations(&output, &["a small one of the demonstration's own: "]);
    nothing_is_left(&own);
}

#[test]
fn is_in_colour_on_a_terminal_if_nobody_minds() {
    needs!("script");
    let temporary = folder();
    let at_terminal = |no_color: &str| {
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &format!("{PROGRAM} demo"), "/dev/null"]);
        command.env("TMPDIR", temporary.path()).env("NO_COLOR", no_color);
        succeeds(&mut command)
    };
    let said = at_terminal("");
    for expected in ["\x1b[36mclient   STLS\x1b[0m", "\x1b[32mserver | ", "\x1b[1;33m------ TLS"] {
        assert!(said.contains(expected), "{expected:?}: {said}");
    }
    assert!(!at_terminal("1").contains('\x1b'));
}

/// A demonstration that keeps running, and a client of its POP3 server.
fn kept(temporary: &Path) -> (Talking, TcpStream) {
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--keep", "--own-server"]).env("TMPDIR", temporary);
    let mut demo = Talking::start(&mut command);
    let lines = demo.up_to_line("Running until Ctrl-C.");
    let port = lines.lines().find_map(|line| line.strip_prefix("  POP3: port ")?.split(' ').next());
    let mut client = client::connect(port.unwrap().parse().unwrap()).unwrap();
    up_to_line(&mut client, "+OK ").unwrap();
    (demo, client)
}

#[test]
fn keeps_running_until_a_signal_and_leaves_nothing_then() {
    for how in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::XCPU,
    ] {
        let temporary = folder();
        let (mut demo, _client) = kept(temporary.path());
        signal(demo.child.id(), how);
        let status = for_end(&mut demo.child);
        assert_eq!((status.code(), status.signal()), (Some(128 + how.as_raw()), None));
        nothing_is_left(temporary.path());
    }
}

/// Nobody can catch SIGKILL: its folder is left then, its services are not.
#[test]
fn its_services_end_with_it_also_where_it_is_killed() {
    let temporary = folder();
    let (mut demo, mut client) = kept(temporary.path());
    signal(demo.child.id(), Signal::KILL);
    for_end(&mut demo.child);
    let last = rest(&mut client).expect("the end of a service whose demonstration is killed");
    let last = String::from_utf8(last).unwrap();
    assert!(last.starts_with("-ERR [SYS/TEMP] "), "{last}");
}

#[test]
fn what_fails_leaves_nothing_either() {
    let temporary = folder();
    let (bin, own) = copied(temporary.path());
    let fails = |why: &str| {
        let mut program = Command::new(bin.join("acceptutils"));
        let output = output(program.arg("demo").env("TMPDIR", &own), b"");
        let said = ends_with(&output, 2);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(!why.contains("never installed") || said.is_empty(), "{said}");
        nothing_is_left(&own);
    };
    // A program that does not do its work: the conversation fails.
    copy_program(&built("checknotroot"), &bin.join("fixsmtpio"));
    fails("\nacceptutils: the server said: ");
    // As a package installs it.
    std::fs::remove_file(bin.join("demo-smtp-into-maildir")).unwrap();
    fails("-into-maildir: No such file or directory (it is never installed: run make demo in the ");
    std::fs::remove_file(bin.join("tlsserver")).unwrap();
    fails("tlsserver: No such file or directory");
}
