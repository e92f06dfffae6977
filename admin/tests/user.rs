//! `acceptutils user`, as built, and its file as Dovecot reads it.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use rustix::io::Errno;
use std::io::Error;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use test_support::dovecot::Dovecot;
use test_support::folder::{Folder, copy_program, make_fifo, write_secret};
use test_support::needs;
use test_support::needs::is_root;
use test_support::run::output;
use test_support::service::write_controls;
use test_support::talking::Talking;
use test_support::wait::until;

/// A users file in a folder of its own, named by `QMAILHOME`.
struct Users(Folder);

impl Users {
    fn new() -> Self {
        Self(Folder::make())
    }

    fn path(&self) -> PathBuf {
        self.0.path("users")
    }

    fn read(&self) -> String {
        self.0.read("users")
    }

    /// `acceptutils user` with these words, and this on standard input.
    fn run(&self, words: &str, input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acceptutils"));
        command.arg("user").args(words.split(' ')).env("QMAILHOME", &*self.0);
        output(&mut command, input.as_bytes())
    }

    #[track_caller]
    fn succeeds(&self, words: &str, input: &str) -> String {
        let output = self.run(words, input);
        assert_eq!(output.status.code(), Some(0), "{words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, words: &str, text: &str) {
        let before = self.read();
        let output = self.run(words, "secret\n");
        assert_eq!(output.status.code(), Some(1), "{words}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("acceptutils: {text}\n"), "{words}");
        assert_eq!(self.read(), before, "{words}");
    }
}

/// What becomes of it where the system has this to say: the exit code, and the line.
fn lock_with_fault(users: &Users, fault: &str) -> (Option<i32>, String) {
    let mut command = Command::new("strace");
    command.args(["-o", "/dev/null", "-e"]).args(format!("inject={fault}").split(' '));
    command.args([env!("CARGO_BIN_EXE_acceptutils"), "user", "lock", "al", "--file"]);
    let output = output(command.arg(users.path()), b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The folder is written to the disk after the file.
#[test]
fn a_change_that_may_not_survive_a_crash_is_no_unchanged_file() {
    needs!("strace");
    let users = Users::new();
    write_secret(&users.path(), "al:x:1:1::/:\n");
    let said = lock_with_fault(&users, "fsync:error=EIO:when=2");
    let text = "users file changed, but the change may not survive a crash";
    let file = users.path().display().to_string();
    let why = Error::from_raw_os_error(Errno::IO.raw_os_error()).to_string();
    let (why, _) = why.split_once(" (").unwrap();
    let line = format!("acceptutils: {text}: {file}: {why}\n");
    assert_eq!(said, (Some(2), line));
    assert_eq!(users.read(), "al:!x:1:1::/:\n");
}

/// Whether the name is still that of what was locked.
#[test]
fn a_lock_that_cannot_be_looked_at_is_not_tried_for_good() {
    needs!("strace");
    let users = Users::new();
    write_secret(&users.path(), "al:x:1:1::/:\n");
    let (code, line) = lock_with_fault(&users, "?newfstatat,?statx:error=EIO -P .users.lock");
    assert_eq!((code, line.ends_with(": Input/output error\n")), (Some(1), true), "{line}");
}

/// Another may have locked the file that this one has made.
#[test]
fn who_cannot_lock_leaves_the_lock_to_others() {
    needs!("strace");
    let users = Users::new();
    write_secret(&users.path(), "al:x:1:1::/:\n");
    let (code, line) = lock_with_fault(&users, "flock:error=ENOLCK");
    assert_eq!((code, line.ends_with(": No locks available\n")), (Some(1), true), "{line}");
    assert!(users.0.join(".users.lock").exists());
    users.succeeds("lock al", "");
    let names = std::fs::read_dir(&*users.0).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["users"]);
}

/// Where `init` has not been run, or for another folder.
#[test]
fn without_a_folder_init_is_named() {
    for (task, code, what) in [("add al --uid 1 --gid 1", 1, "change"), ("list", 2, "read")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acceptutils"));
        command.arg("user").args(task.split(' ')).env("QMAILHOME", "/no/such");
        let output = output(&mut command, b"");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = format!(
            "acceptutils: unable to {what} users file: /no/such/users: No such file or directory: \
             its folder is missing: acceptutils init creates one\n"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn a_user_comes_is_locked_and_goes() {
    let users = Users::new();
    let file = users.path().display().to_string();
    let said = users.succeeds("add al --uid 1000 --gid 100 --home /home/al --stdin", "secret\n");
    assert_eq!(said, format!("added al to {file}\n"));
    // The name of one of the system's users is enough.
    users.succeeds("add bo --uid daemon --stdin", "secret\n");
    let daemon = users.read().lines().last().unwrap().to_owned();
    assert!(daemon.ends_with(":1:1::/usr/sbin:"), "{daemon}");
    users.fails(
        "add al --uid daemon --stdin",
        "al: there already: acceptutils user passwd sets another password",
    );

    let before = users.read();
    assert_eq!(users.succeeds("lock al", ""), format!("locked al in {file}\n"));
    assert!(users.read().starts_with("al:!{ARGON2ID}$"), "{}", users.read());
    users.fails("lock al", "al: locked already");
    users.succeeds("unlock al", "");
    assert_eq!(users.read(), before);
    users.fails("unlock al", "al: unlocked already");
    users.fails("lock carl", "carl: no user of this name in the file");
    users.fails("passwd carl --stdin", "carl: no user of this name in the file");
    users.succeeds("passwd al --stdin", "other\n");
    assert!(users.read() != before && users.read().ends_with(&format!("{daemon}\n")));
    users.succeeds("lock al", "");
    assert_eq!(
        users.succeeds("passwd al --stdin", "third\n"),
        format!("changed the password of al in {file}; al is no longer locked\n")
    );
    assert!(users.read().starts_with("al:{ARGON2ID}$"), "{}", users.read());

    users.succeeds("remove al", "");
    assert_eq!(users.read(), format!("{daemon}\n"));
    users.fails("remove al", "al: no user of this name in the file");
}

/// What cannot be read is a failure; nothing was to be changed.
#[test]
fn a_list_that_cannot_be_read_is_a_failure() {
    let users = Users::new();
    let file = users.path();
    let fails = |why: &str| {
        let output = users.run("list", "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let expected =
            format!("acceptutils: unable to read users file: {}: {why}\n", file.display());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    };
    fails("No such file or directory");
    make_fifo(&file);
    fails("not a regular file");
}

/// A users file may be elsewhere, and not be there yet.
#[test]
fn a_link_to_a_file_that_is_to_be_made_stays_one() {
    let users = Users::new();
    let elsewhere = users.0.path("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, users.path()).unwrap();
    users.succeeds("add al --uid daemon --stdin", "secret\n");
    assert!(users.path().is_symlink());
    assert!(std::fs::read_to_string(elsewhere).unwrap().starts_with("al:{ARGON2ID}"));
}

#[test]
fn the_list_says_who_can_log_in() {
    let users = Users::new();
    users.succeeds("add al --uid 1000 --gid 100 --home /home/al --stdin", "secret\n");
    users.succeeds("lock al", "");
    let mut text = users.read();
    text += "bob:{MD5}x:1:1::/:\nbob:!:1:1::/:\n";
    std::fs::write(users.path(), text).unwrap();
    let listed = users.succeeds("list", "");
    assert!(listed.contains("  locked\n"), "{listed}");
    assert!(listed.ends_with("its kind of hash is not known\n"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    if is_root() {
        assert!(listed.starts_with("al   1000:100  /home/al  locked\n"), "{listed}");
    }
    let json: serde_json::Value = serde_json::from_str(&users.succeeds("list --json", "")).unwrap();
    assert_eq!((&json[0]["user"], &json[0]["state"]), (&"al".into(), &"locked".into()));
}

#[test]
fn a_name_that_no_client_can_give_is_added_with_a_warning() {
    let users = Users::new();
    write_controls(&users.0, &[("loginnames", "lower-case\nstrip-domain\n")]);
    let file = users.path().display().to_string();
    for (name, other) in [("bob", None), ("Carl", Some("carl")), ("d@example.org", Some("d"))] {
        let words = format!("add {name} --uid 1000 --gid 100 --home /home/al --stdin");
        let warning = other.map(|other| {
            format!(
                "warning: control/loginnames makes {other} of this name: who gives {name} logs in \
                 as {other}\n"
            )
        });
        let expected = format!("added {name} to {file}\n{}", warning.unwrap_or_default());
        assert_eq!(users.succeeds(&words, "secret\n"), expected);
    }
    let said = users.succeeds("passwd Carl --stdin", "secret\n");
    assert_eq!(said, format!("changed the password of Carl in {file}\n"));
}

#[test]
fn an_ordinary_user_has_the_own_home_unless_another_is_named() {
    const DAEMON: u32 = 1;
    needs!("root");
    let folder = Folder::make();
    let (program, users) = (folder.path("acceptutils"), folder.path("users"));
    copy_program(Path::new(env!("CARGO_BIN_EXE_acceptutils")), &program);
    chown(&*folder, Some(DAEMON), Some(DAEMON)).unwrap();
    for (options, home) in [
        ("", "/usr/sbin"),
        ("--home /srv", "/srv"),
        ("--uid 1 --gid 1", "/usr/sbin"),
        ("--uid 7 --gid 7", ""),
    ] {
        let mut command = Command::new(&program);
        command.uid(DAEMON).gid(DAEMON).args(["user", "add", "al", "--stdin", "--file"]);
        command.arg(&users).args(options.split_whitespace());
        let output = output(&mut command, b"secret\n");
        assert!(output.status.success(), "{options}: {output:?}");
        let entry = std::fs::read_to_string(&users).unwrap();
        assert!(entry.ends_with(&format!("::{home}:\n")), "{options}: {entry}");
        std::fs::remove_file(&users).unwrap();
    }
}

/// Others change the file while somebody types a password.
#[test]
fn what_has_changed_meanwhile_is_looked_at() {
    let users = Users::new();
    let add = "user add al --uid 1000 --gid 100 --home /home/al --stdin";
    let begin = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_acceptutils"));
        command.args(words.split(' ')).env("QMAILHOME", &*users.0);
        let mut begun = Talking::start(&mut command);
        begun.say("sec");
        // Who reads the password has looked.
        let unread = || rustix::io::ioctl_fionread(&begun.input).unwrap();
        until("reader of the password", unread, |unread| *unread == 0);
        begun
    };
    let ends = |mut begun: Talking| {
        begun.say("ret\n");
        let (said, status) = begun.end();
        assert_eq!((said.as_str(), status.code()), ("", Some(1)));
    };
    let adds = begin(add);
    users.succeeds(&add[5..], "first\n");
    let before = users.read();
    ends(adds);
    assert_eq!(users.read(), before);
    let changes = begin("user passwd al --stdin");
    users.succeeds("remove al", "");
    ends(changes);
    assert_eq!(users.read(), "");
}

/// A running Dovecot that has our file for its users.
#[test]
fn one_file_serves_dovecot_too() {
    let users = Users::new();
    needs!("root", "doveadm");
    users.succeeds("add al --uid 1000 --gid 100 --home /home/al --stdin", "correct horse\n");
    let both = ["passdb", "userdb"].map(|kind| {
        format!("{kind} {{\n driver = passwd-file\n args = {}\n}}\n", users.path().display())
    });
    let dovecot = Dovecot::start(&users.0, "root", &both.concat());
    let test = |password: &str| dovecot.auth("test", "al", password).status.success();
    let (right, wrong) = (test("correct horse"), test("wrong"));
    users.succeeds("lock al", "");
    // Dovecot looks no more than once a second whether the file is another.
    until("refusal of who is locked", || test("correct horse"), |passes| !passes);
    assert_eq!((right, wrong), (true, false));
}

#[test]
fn what_is_no_entry_is_not_listed_as_a_locked_user() {
    let users = Users::new();
    std::fs::write(users.path(), "al:\nno entry\nbo:!x\n# a comment\n").unwrap();
    let said = users.succeeds("list", "");
    let states = said.lines().map(|line| line.rsplit("  ").next().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["locked", "no colon in its line", "locked"], "{said}");
}
