//! Becoming another program, with as little done before as can be.

use crate::disposition;
use crate::environment::Environment;
use nix::errno::Errno;
use nix::unistd::execve;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Where programs are looked for when there is no `PATH`.
const PATH: &[u8] = b"/bin:/usr/bin";

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
    let path = environment.get(b"PATH").unwrap_or(PATH);
    disposition::end_at_broken_pipes();
    let mut reason = Errno::ENOENT;
    for place in places(name.as_bytes(), path) {
        match execve(&CString::new(place)?, &words, &variables) {
            Ok(never) => match never {},
            // It may be in another folder, and be allowed there.
            Err(Errno::EACCES) => reason = Errno::EACCES,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(reason.into())
}

/// Where a program of this name may be.
fn places(name: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let in_folder = |folder: &[u8]| match folder {
        // The working directory.
        b"" => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    };
    path.split(|&octet| octet == b':').map(in_folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_unless_it_says_where() {
        let shown = |name: &str, path: &str| {
            let places = places(name.as_bytes(), path.as_bytes());
            places
                .iter()
                .map(|place| String::from_utf8_lossy(place).into())
                .collect::<Vec<String>>()
        };
        assert_eq!(shown("prog", "/a:/b/"), ["/a/prog", "/b//prog"]);
        assert_eq!(shown("prog", ":/a::"), ["prog", "/a/prog", "prog", "prog"]);
        assert_eq!(shown("./prog", "/a:/b"), ["./prog"]);
        assert!(shown("", "/a").is_empty());
    }

    #[test]
    fn what_cannot_run_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("no-program");
        std::fs::write(&file, "no program").unwrap();
        let mut environment = Environment::default();
        let path = [b"/nonexistent:", folder.path().as_os_str().as_bytes(), b":/"].concat();
        environment.set(b"PATH", Some(&path));
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
