//! Becoming another program, with as little done before as can be.

use crate::disposition;
use crate::environment::Environment;
use crate::search_path::places;
use nix::errno::Errno;
use nix::unistd::execve;
use proto::names::Variable;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Becomes the program, looked up in `PATH` unless its name has a slash. SIGPIPE is
/// at its default again. Returns only if that cannot be, with the reason.
pub(crate) fn exec(name: &OsStr, arguments: &[OsString], environment: &Environment) -> io::Error {
    match try_exec(name, arguments, environment) {
        Ok(never) => match never {},
        Err(reason) => reason,
    }
}

fn try_exec(
    name: &OsStr,
    arguments: &[OsString],
    environment: &Environment,
) -> io::Result<Infallible> {
    let words = std::iter::once(name).chain(arguments.iter().map(OsString::as_os_str));
    let words = words.map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let variables = environment.strings()?;
    let path = environment.get(Variable::Path).map(OsStr::from_bytes);
    disposition::end_at_broken_pipes();
    let mut reason = Errno::ENOENT;
    for place in places(name, path) {
        match execve(&CString::new(place.into_os_string().into_vec())?, &words, &variables) {
            Ok(never) => match never {},
            // It may be in another folder, and be allowed there.
            Err(Errno::EACCES) => reason = Errno::EACCES,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_run_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("no-program");
        std::fs::write(&file, "no program").unwrap();
        let mut environment = Environment::default();
        let path = [b"/nonexistent:", folder.path().as_os_str().as_bytes(), b":/"].concat();
        environment.set(Variable::Path, Some(&path));
        let reason =
            |name: &OsStr| exec(name, &[], &environment).raw_os_error().map(Errno::from_raw);
        assert_eq!(reason("no-program".as_ref()), Some(Errno::EACCES), "and not the last ENOENT");
        assert_eq!(reason(file.as_os_str()), Some(Errno::EACCES));
        for missing in ["nothing-like-it", "", "/nonexistent/prog", "/etc/passwd/prog"] {
            assert_eq!(
                reason(missing.as_ref()).map(|errno| errno == Errno::EACCES),
                Some(false),
                "{missing}"
            );
        }
        assert_eq!(exec("a\0b".as_ref(), &[], &environment).kind(), io::ErrorKind::InvalidInput);
    }
}
