//! Starting a program from a process that has signals blocked, as one with
//! [`crate::signals`] has: the program begins in the state of [`crate::state::begin`] all the
//! same, which a mask that it inherited would break.
//!
//! Everything else is inherited: limits, umask, working folder, and whatever does not close
//! on exec. Called by servers; who blocks nothing has [`std::process::Command`] for it.

#[cfg(not(target_os = "openbsd"))]
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use std::collections::BTreeMap;
#[cfg(not(target_os = "openbsd"))]
use std::ffi::CString;
use std::ffi::{OsStr, OsString};
use std::io;
#[cfg(not(target_os = "openbsd"))]
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
#[cfg(not(target_os = "openbsd"))]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program's file.
    pub program: &'a Path,
    /// Its words, the first of them its own name.
    pub words: &'a [OsString],
    /// All that it has for an environment.
    pub variables: &'a BTreeMap<OsString, OsString>,
    /// Its descriptor 0.
    pub input: OwnedFd,
    /// Its descriptor 1.
    pub output: OwnedFd,
    /// Its descriptor 2; none: this process's.
    pub errors: Option<OwnedFd>,
    /// Who it is to be, where that is somebody else. As root it has no other groups then.
    pub user: Option<u32>,
    /// The same of its group.
    pub group: Option<u32>,
}

impl Start<'_> {
    /// Starts it; its process id.
    ///
    /// # Errors
    /// Why it cannot be run; `InvalidInput` where a word or a variable holds a NUL.
    pub fn spawn(self) -> io::Result<u32> {
        // A system that can start a program without copying this process first cannot
        // change the user with it.
        if self.user.is_none() && self.group.is_none() { self.at_once() } else { self.by_fork() }
    }

    /// nix has no posix_spawn(3) for OpenBSD, where that copies the process all the same.
    #[cfg(target_os = "openbsd")]
    fn at_once(self) -> io::Result<u32> {
        self.by_fork()
    }

    #[cfg(not(target_os = "openbsd"))]
    fn at_once(self) -> io::Result<u32> {
        let string = |text: &OsStr| CString::new(text.as_bytes());
        let words = self.words.iter().map(|word| string(word)).collect::<Result<Vec<_>, _>>()?;
        let variables = self.variables.iter();
        let variables = variables
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut descriptors = PosixSpawnFileActions::init()?;
        descriptors.add_dup2(self.input.as_raw_fd(), 0)?;
        descriptors.add_dup2(self.output.as_raw_fd(), 1)?;
        if let Some(errors) = &self.errors {
            descriptors.add_dup2(errors.as_raw_fd(), 2)?;
        }
        let mut state = PosixSpawnAttr::init()?;
        state.set_sigmask(&SigSet::empty())?;
        state.set_sigdefault(&SigSet::all())?;
        state.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
        )?;
        let pid = posix_spawn(self.program, &descriptors, &state, &words, &variables)?;
        Ok(pid.as_raw().cast_unsigned())
    }

    #[expect(unsafe_code, reason = "the mask can only be changed between fork and exec")]
    fn by_fork(self) -> io::Result<u32> {
        let mut command = Command::new(self.program);
        let mut words = self.words.iter();
        command.arg0(words.next().map_or(OsStr::new(""), OsString::as_os_str)).args(words);
        command.env_clear().envs(self.variables);
        command.stdin(Stdio::from(self.input)).stdout(Stdio::from(self.output));
        if let Some(errors) = self.errors {
            command.stderr(Stdio::from(errors));
        }
        if let Some(group) = self.group {
            command.gid(group);
        }
        if let Some(user) = self.user {
            command.uid(user);
        }
        // SAFETY: all it does is one system call that is allowed there (signal-safety(7)).
        unsafe { command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?)) };
        Ok(command.spawn()?.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;
    use std::fs::File;
    use std::io::Read;

    /// What a program writes that is started from a thread with everything blocked.
    fn output(user: Option<u32>, script: &str) -> String {
        SigSet::all().thread_block().unwrap();
        let (reader, output) = crate::descriptor::pipe().unwrap();
        let input = File::open("/dev/null").unwrap().into();
        let words = ["named", "-c", script].map(OsString::from);
        let variables = BTreeMap::from([("A".into(), "b c".into())]);
        let program = Path::new("/bin/sh");
        let start = Start {
            program,
            words: &words,
            variables: &variables,
            input,
            output,
            errors: None,
            user,
            group: None,
        };
        let pid = start.spawn().unwrap();
        let mut said = String::new();
        File::from(reader).read_to_string(&mut said).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        nix::sys::wait::waitpid(pid, None).unwrap();
        said
    }

    #[test]
    fn a_program_has_what_is_said_and_nothing_blocked() {
        let own = rustix::process::getuid().as_raw();
        // What these tests were started with, as by nohup: a program of ours begins with none.
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        for (user, passed_on) in [(None, 0), (Some(own), ignored)] {
            let script = "echo \"$0 $A\"; grep -E '^Sig(Blk|Ign)' /proc/self/status";
            let said = output(user, script);
            let mut lines = said.lines();
            assert_eq!(lines.next(), Some("named b c"));
            for line in lines {
                let (_, signals) = line.split_once('\t').unwrap();
                let signals = u64::from_str_radix(signals, 16).unwrap();
                // Of 32 and 33, which are the C library's own, its posix_spawn ignores some.
                assert_eq!(signals & !(0x1_8000_0000 | passed_on), 0, "{line}");
            }
        }
        let mask = SigSet::thread_get_mask().unwrap();
        assert!(mask.contains(Signal::SIGTERM), "the thread's own mask has changed");
    }

    #[test]
    fn what_cannot_run_says_why() {
        let (_reader, output) = crate::descriptor::pipe().unwrap();
        let input = File::open("/dev/null").unwrap().into();
        let program = Path::new("/no/such/program");
        let variables = BTreeMap::new();
        let start = Start {
            program,
            words: &[],
            variables: &variables,
            input,
            output,
            errors: None,
            user: None,
            group: None,
        };
        assert_eq!(start.spawn().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
