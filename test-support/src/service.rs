//! Services of this project's programs, as tests and benchmarks run them: where the programs
//! are, what is in a service's folder, and users. Options, control files and what is behind a
//! login are each caller's own.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs::is_root;
use crate::run::output;

/// Debian's nobody and nogroup: whom a login as root ends as, and who an ordinary user is where
/// root runs the tests.
pub const NOBODY: u32 = 65534;

/// The words that become nobody.
pub const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Where the system's programs are.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The folder of the programs that were built with this one: its own, and for a test the one
/// above.
#[must_use]
pub fn programs() -> PathBuf {
    let own = env::current_exe().unwrap();
    own.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap().to_owned()
}

/// One of them.
#[track_caller]
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let path = programs().join(name);
    assert!(path.exists(), "{}: not built: build the whole workspace first", path.display());
    path
}

/// A command that has nothing of this one's environment, and finds programs in this folder
/// before the system's.
#[must_use]
pub fn command(program: impl AsRef<OsStr>, programs: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", format!("{}:{PATH}", programs.display()));
    command
}

/// Has tlsserver find its certificate, as `certificate::Pem` writes it by the name `server`.
pub fn with_certificate<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.env("CERTFILE", folder.join("server.cert")).env("KEYFILE", folder.join("server.key"))
}

/// Makes a qmail home of a folder, with these control files.
#[track_caller]
pub fn write_controls(home: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(home.join("control")).unwrap();
    for (name, text) in files {
        fs::write(home.join("control").join(name), text).unwrap();
    }
}

/// Gives a file to nobody, where root runs the tests.
#[track_caller]
pub fn give_to_nobody(file: &Path) {
    if is_root() {
        chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Makes a user's home, who is nobody, with an empty mailbox.
#[track_caller]
pub fn make_home(home: &Path) {
    for folder in ["", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"] {
        fs::create_dir(home.join(folder)).unwrap();
        give_to_nobody(&home.join(folder));
    }
}

/// Has `acceptutils`, which this command runs, add the user whose home that is, and whose name is
/// the home's.
#[track_caller]
pub fn add_user(acceptutils: &mut Command, users: &Path, home: &Path, password: &str) {
    acceptutils.arg("passwd").arg(users).arg(home.file_name().unwrap());
    acceptutils.args(["--stdin", "--home"]).arg(home);
    if is_root() {
        let id = NOBODY.to_string();
        acceptutils.args(["--uid", &id, "--gid", &id]);
    }
    let made = output(acceptutils, password.as_bytes());
    assert!(made.status.success(), "{made:?}");
}
