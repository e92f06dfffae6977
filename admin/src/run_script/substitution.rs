//! What commands in `$(...)` write, of those that run scripts begin with: a number of a user or
//! group, a line of a control file, the machine's name.
//!
//! No command is run: the answer is looked up here. A file that not everybody may read is not
//! read, so that no secret comes into what is said of a script.

use super::row::name;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use unix::identity::SystemUser;
use unix::regular_file::read_to_string;

/// What the command of these words would write; none where only the shell can tell.
pub(super) fn output(words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    match (name(program), arguments) {
        ("id", ["-u", user]) => Some(named(user)?.uid.to_string()),
        ("id", ["-g", user]) => Some(named(user)?.gid.to_string()),
        ("cat", [file]) => Some(contents(file)?.trim_end_matches('\n').to_owned()),
        ("head", ["-1" | "-n1", file] | ["-n", "1", file]) => {
            Some(contents(file)?.lines().next()?.to_owned())
        }
        ("hostname", []) => Some(contents("/proc/sys/kernel/hostname")?.trim_end().to_owned()),
        _ => None,
    }
}

fn named(user: &str) -> Option<SystemUser> {
    SystemUser::named(user).ok().flatten()
}

/// Of a file that is named by its whole path.
fn contents(file: &str) -> Option<String> {
    let file = Path::new(file);
    let is_open = file.metadata().ok()?.permissions().mode() & 0o004 != 0;
    read_to_string(file).ok().filter(|_| file.is_absolute() && is_open)
}
