//! What a test needs of the machine, and the rule where it is not there: the test is skipped,
//! and says so loudly.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::thread;

/// Where programs are that not everybody has in `PATH`.
const BESIDE_PATH: &str = "/usr/sbin:/sbin:/usr/lib/dovecot";

/// Whether root runs the tests.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program is there: by its path, or in `PATH` and where servers are.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(env::split_paths(OsStr::new(BESIDE_PATH)));
    let in_folder = |folder: &Path| folder.join(program).is_file();
    if program.contains('/') {
        return in_folder(Path::new("/"));
    }
    folders.into_iter().any(|folder| in_folder(&folder))
}

/// Goes no further in a test that needs `"root"`, or programs, where one of them is not there;
/// as [`is_there_or_skip`] has it.
#[macro_export]
macro_rules! needs {
    ($($need:expr),+) => {
        $(if !$crate::needs::is_there_or_skip($need) {
            return;
        })+
    };
}

/// Whether what the test that this thread runs needs is there; where not, this says that the
/// test is skipped, as [`root_or_skip`] and [`installed_or_skip`] do.
#[track_caller]
#[must_use]
pub fn is_there_or_skip(need: &str) -> bool {
    let this = thread::current();
    let test = this.name().unwrap_or_default();
    if need == "root" { root_or_skip(test) } else { installed_or_skip(test, need) }
}

/// Says that something is not tried, and why, past what keeps the output of tests to itself.
pub fn skipped(what: &str, why: &str) {
    let _nobody_listens = writeln!(std::io::stderr(), "SKIPPED: {what}: {why}");
}

/// Whether root runs the tests; where not, this says that `what` is not tried.
#[must_use]
pub fn root_or_skip(what: &str) -> bool {
    if !is_root() {
        skipped(what, "needs root");
    }
    is_root()
}

/// Whether a program is there; where not, this says that `what` is not tried. Where `CI` is
/// set that is a failure.
#[track_caller]
#[must_use]
pub fn installed_or_skip(what: &str, program: &str) -> bool {
    let found = is_installed(program);
    assert!(found || env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        skipped(what, &format!("needs {program}, see the files named packages"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_there_by_its_name_or_its_path() {
        assert!(is_installed("sh") && is_installed("/bin/sh"));
        assert!(!is_installed("no-such-program") && !is_installed("/bin/no-such-program"));
        assert!(!is_installed("") && !is_installed("/bin"), "folders are no programs");
        assert!(installed_or_skip("this", "sh"));
    }
}
