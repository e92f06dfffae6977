//! Starting a program from a process that has signals blocked, as one with
//! [`crate::signals`] has: the program begins in the state of [`crate::state::begin`] all the
//! same, which a mask that it inherited would break.
//!
//! Everything else is inherited: limits, umask, working folder, and whatever does not close
//! on exec. Called by servers; who blocks nothing has [`crate::process::Argv::start`] for it.

use crate::disposition;
use crate::environment::named;
use nix::sys::signal::SigSet;
use proto::variables::Variables;
use std::ffi::{OsStr, OsString};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
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
    /// All that it has for an environment; of several of one name the last counts.
    pub variables: &'a Variables,
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
        // Only a copy of this process can become somebody else on the way.
        if self.user.is_none() && self.group.is_none() { self.at_once() } else { self.by_fork() }
    }

    #[cfg(not(target_os = "linux"))]
    fn at_once(self) -> io::Result<u32> {
        self.by_fork()
    }

    #[cfg(target_os = "linux")]
    fn at_once(self) -> io::Result<u32> {
        let program = crate::exec::Program::in_file(self.program, self.words, self.variables)?;
        let errors = self.errors.as_ref().map(AsFd::as_fd);
        let standard = [Some(self.input.as_fd()), Some(self.output.as_fd()), errors];
        Ok(crate::vfork::start(&program, standard)?.as_raw_pid().cast_unsigned())
    }

    #[expect(unsafe_code, reason = "the mask can only be changed between fork and exec")]
    fn by_fork(self) -> io::Result<u32> {
        let mut command = Command::new(self.program);
        let mut words = self.words.iter();
        command.arg0(words.next().map_or(OsStr::new(""), OsString::as_os_str)).args(words);
        command.env_clear().envs(named(self.variables));
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
        let begin = || {
            disposition::end_at_writing();
            Ok(SigSet::empty().thread_set_mask()?)
        };
        // SAFETY: all it does is to make system calls that are allowed there (signal-safety(7)).
        unsafe { command.pre_exec(begin) };
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
        let variables = vec![("A".into(), "a".into()), ("A".into(), "b c".into())];
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
        for user in [None, Some(own)] {
            let script = "echo \"$0 $A\"; grep -E '^Sig(Blk|Ign)' /proc/self/status";
            let said = output(user, script);
            let mut lines = said.lines();
            assert_eq!(lines.next(), Some("named b c"));
            for line in lines {
                let (_, signals) = line.split_once('\t').unwrap();
                let signals = u64::from_str_radix(signals, 16).unwrap();
                assert_eq!(signals & !ignored, 0, "{line}");
            }
        }
        let mask = SigSet::thread_get_mask().unwrap();
        assert!(mask.contains(Signal::SIGTERM), "the thread's own mask has changed");
    }

    #[test]
    fn what_cannot_run_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "no program").unwrap();
        let own = rustix::process::getuid().as_raw();
        for (program, kind) in [
            (Path::new("/no/such/program"), io::ErrorKind::NotFound),
            (&text, io::ErrorKind::PermissionDenied),
        ] {
            for user in [None, Some(own)] {
                let (_reader, output) = crate::descriptor::pipe().unwrap();
                let input = File::open("/dev/null").unwrap().into();
                let (words, errors, group) = (&["x".into()], None, None);
                let variables = &Variables::new();
                let start = Start { program, words, variables, input, output, errors, user, group };
                assert_eq!(start.spawn().unwrap_err().kind(), kind, "{user:?}");
            }
        }
    }
}
