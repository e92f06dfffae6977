//! Becoming another program, with as little done before as can be.
//!
//! Called by [`crate::process`] for this process, and by [`crate::vfork`] for a child.

use crate::disposition;
use crate::environment::Environment;
use crate::search_path::places;
use nix::errno::Errno;
use nix::libc::{c_char, execve};
use proto::names::Variable;
#[cfg(all(feature = "signals", target_os = "linux"))]
use proto::variables::Variables;
use std::borrow::Cow;
#[cfg(all(feature = "signals", target_os = "linux"))]
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::marker::PhantomData;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
#[cfg(all(feature = "signals", target_os = "linux"))]
use std::path::Path;
use std::ptr::null;

/// A program to become, with all that it is given.
pub(crate) struct Program {
    /// Where it may be, in the order in which it is looked for.
    pub(crate) files: Vec<CString>,
    /// Its words, its own name the first.
    pub(crate) words: Vec<CString>,
    /// `NAME=value` of its whole environment.
    pub(crate) variables: Vec<Cow<'static, CStr>>,
}

/// The same as the system wants it: whoever has this needs no more memory.
pub(crate) struct Ready<'a> {
    files: &'a [CString],
    /// Each with the null pointer that ends it.
    words: Vec<*const c_char>,
    variables: Vec<*const c_char>,
    strings: PhantomData<&'a CStr>,
}

/// Becomes the program, looked up in `PATH` unless its name has a slash. What a failed write
/// raises is at its default again. Returns only if that cannot be, with the reason.
pub(crate) fn exec(name: &OsStr, arguments: &[OsString], environment: &Environment) -> io::Error {
    match Program::new(name, arguments, environment) {
        Ok(program) => {
            let ready = program.ready();
            disposition::end_at_writing();
            ready.become_it().into()
        }
        Err(reason) => reason,
    }
}

impl Program {
    /// That of this name, looked up in `PATH` unless it has a slash.
    ///
    /// # Errors
    /// `InvalidInput` where something holds a NUL.
    pub(crate) fn new(
        name: &OsStr,
        arguments: &[OsString],
        environment: &Environment,
    ) -> io::Result<Self> {
        let path = environment.get(Variable::Path).map(OsStr::from_bytes);
        let files = places(name, path).into_iter();
        let files = files.map(|file| CString::new(file.into_os_string().into_vec()));
        let words = std::iter::once(name).chain(arguments.iter().map(OsString::as_os_str));
        let words = words.map(|word| CString::new(word.as_bytes()));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            words: words.collect::<Result<_, _>>()?,
            variables: environment.strings()?,
        })
    }

    /// That of this file: its words, of which the first is its own name, and its environment;
    /// of several variables of one name the last counts.
    ///
    /// # Errors
    /// `InvalidInput` where something holds a NUL.
    #[cfg(all(feature = "signals", target_os = "linux"))]
    pub(crate) fn in_file(
        file: &Path,
        words: &[OsString],
        variables: &Variables,
    ) -> io::Result<Self> {
        let last: BTreeMap<_, _> = variables.iter().map(|(name, value)| (name, value)).collect();
        let variable = |(name, value): (&Vec<u8>, &Vec<u8>)| {
            CString::new([name, &b"="[..], value].concat()).map(Cow::Owned)
        };
        let words = words.iter().map(|word| CString::new(word.as_bytes()));
        Ok(Self {
            files: vec![CString::new(file.as_os_str().as_bytes())?],
            words: words.collect::<Result<_, _>>()?,
            variables: last.into_iter().map(variable).collect::<Result<_, _>>()?,
        })
    }

    /// As the system wants it.
    pub(crate) fn ready(&self) -> Ready<'_> {
        let words = self.words.iter().map(|word| word.as_ptr()).chain([null()]).collect();
        let variables = self.variables.iter().map(|one| one.as_ptr()).chain([null()]).collect();
        Ready { files: &self.files, words, variables, strings: PhantomData }
    }
}

impl Ready<'_> {
    /// Becomes it. Returns only if that cannot be, with the reason.
    #[expect(unsafe_code, reason = "no wrapper of execve takes a list that is ready")]
    pub(crate) fn become_it(&self) -> Errno {
        let mut reason = Errno::ENOENT;
        for file in self.files {
            // SAFETY: a string that ends, and two lists that end of such strings, which are all
            // borrowed for as long as this is there.
            unsafe { execve(file.as_ptr(), self.words.as_ptr(), self.variables.as_ptr()) };
            match Errno::last() {
                // It may be in another folder, and be allowed there.
                Errno::EACCES => reason = Errno::EACCES,
                Errno::ENOENT | Errno::ENOTDIR => {}
                other => return other,
            }
        }
        reason
    }
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
