//! A folder, a run of a program, a real account: what the tests are made of.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use test_support::folder::copy_program;
pub(crate) use test_support::folder::{Folder, set_mode};
use test_support::run::{hand_over, output};

/// One number for each call, so that tests that run side by side share no names.
pub(crate) fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A folder with both programs in it, where the users that the tests become can run them.
pub(crate) fn folder() -> Folder {
    let folder = Folder::make();
    for (name, built) in [
        ("checkpassword-file", env!("CARGO_BIN_EXE_checkpassword-file")),
        ("checkpassword-pam", env!("CARGO_BIN_EXE_checkpassword-pam")),
    ] {
        copy_program(Path::new(built), &folder.path(name));
        set_mode(&folder.path(name), 0o755);
    }
    folder
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The login did not happen, with this code and this line for the administrator.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, line: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "nothing on standard output");
        assert!(self.stderr.ends_with('\n') && self.stderr.lines().count() == 1, "{self:?}");
        assert!(self.stderr.contains(line), "{line:?} is not in {self:?}");
    }
}

/// A program to be run with something on descriptor 3.
pub(crate) struct Caller {
    command: Command,
    record: Vec<u8>,
}

impl Caller {
    /// `arguments` of `program` in `folder`, to log in `user` with `password`.
    pub(crate) fn new<A: AsRef<OsStr>>(
        folder: &Folder,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::of(folder.path(program), arguments)
    }

    /// Any command, to be given descriptor 3.
    pub(crate) fn of<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$@\" 3<&0 </dev/null", "sh"]);
        command.arg(program).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        Self { command, record: Vec::new() }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it as an ordinary user; the caller must be root.
    pub(crate) fn run_by(self, uid: u32) -> Self {
        let id = uid.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]).env_clear();
        hand_over(&mut command, &self.command);
        Self { command, record: self.record }
    }

    /// Says that somebody waits to hear of a good login, who writes down what he hears.
    pub(crate) fn telling(self, heard: &Path) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "file=$1; shift; exec \"$@\" 5>\"$file\"", "sh"]).arg(heard);
        hand_over(command.env_clear(), &self.command).env("AUTHUPREADYFD", "5");
        Self { command, record: self.record }
    }

    pub(crate) fn record(mut self, record: &[u8]) -> Self {
        self.record = record.to_vec();
        self
    }

    pub(crate) fn login(self, user: &str, password: &str) -> Ran {
        let record = format!("{user}\0{password}\0\0");
        let ran = self.record(record.as_bytes()).run();
        // Shorter ones may be words of our own messages.
        assert!(password.len() < 10 || !ran.stderr.contains(password), "{ran:?}");
        ran
    }

    pub(crate) fn run(mut self) -> Ran {
        Ran::new(output(&mut self.command, &self.record))
    }
}

/// Runs one of the system's tools with this on its standard input; its output,
/// without the newline.
pub(crate) fn tool(command: &[&str], input: &str) -> String {
    let output = output(Command::new(command[0]).args(&command[1..]), input.as_bytes());
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

pub(crate) fn own_uid() -> u32 {
    tool(&["id", "-u"], "").parse().unwrap()
}

/// `checkpassword-file` with this users file.
pub(crate) fn by_file(folder: &Folder, users: &Path, next: &[&str]) -> Caller {
    let arguments = [&["-f", users.to_str().unwrap()], next].concat();
    Caller::new(folder, "checkpassword-file", arguments)
}

/// The tools that write the system's user database lock one another out, and give up
/// after some time: one at a time, then.
static DATABASE: Mutex<()> = Mutex::new(());

fn on_database(command: &[&str], input: &str) -> String {
    let _one_at_a_time = DATABASE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tool(command, input)
}

/// A real account of the system, removed at the end.
pub(crate) struct Account {
    pub(crate) name: String,
}

impl Account {
    /// Makes an account with a home folder; `options` as of useradd(8).
    pub(crate) fn new(options: &[&str], password: &str) -> Self {
        let account = Self { name: format!("cpw{}", unique()) };
        on_database(&[&["useradd", "-m"], options, &[account.name.as_str()]].concat(), "");
        account.set_password(&[], password);
        account
    }

    /// Sets the password; `options` as of chpasswd(8).
    pub(crate) fn set_password(&self, options: &[&str], password: &str) {
        let line = format!("{}:{password}\n", self.name);
        on_database(&[&["chpasswd"], options].concat(), &line);
    }

    /// Runs a tool on the account, such as `usermod -L`.
    pub(crate) fn change(&self, command: &[&str]) {
        on_database(&[command, &[self.name.as_str()]].concat(), "");
    }

    /// The hash that stands in `/etc/shadow`.
    pub(crate) fn hash(&self) -> String {
        let line = tool(&["getent", "shadow", &self.name], "");
        line.split(':').nth(1).unwrap().to_owned()
    }

    pub(crate) fn id(&self, option: &str) -> String {
        tool(&["id", option, &self.name], "")
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _one_at_a_time = DATABASE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        output(Command::new("userdel").args(["-r", "-f", &self.name]), b"");
    }
}
