//! This process and its children.

use nix::errno::Errno;
use nix::libc;
use rustix::process::Signal;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::child::Child;
use crate::deadline::{Deadline, Event, ready_now, wait_for_any};
use crate::disposition;
use crate::environment::Environment;
#[cfg(target_os = "linux")]
use crate::exec::Program;

/// How long a child that is killed is waited for, in seconds.
const DEATH: u64 = 1;

/// How soon a child is looked at again, where nothing becomes readable when it ends: at first,
/// and at the latest. Each time twice as late as before, so that a check is told of at once, and
/// a long session costs nothing.
const LOOK: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// What to run: a program, looked up in `PATH`, and its arguments.
#[derive(Debug, Clone)]
pub struct Argv {
    name: OsString,
    arguments: Vec<OsString>,
}

impl Argv {
    /// The first word is the program, the others its arguments; `None` where there
    /// are none.
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        Some(Self { name: words.next()?, arguments: words.collect() })
    }

    /// The program's name, as it was given.
    #[must_use]
    pub fn name(&self) -> &OsString {
        &self.name
    }

    /// The command that runs it. It inherits descriptors 0, 1 and 2 and what is not
    /// closed on exec; what a failed write raises is at its default again.
    #[must_use]
    #[expect(unsafe_code, reason = "the standard library sees to one signal of two")]
    pub fn command(&self, environment: &Environment) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments);
        environment.apply(&mut command);
        let begin = || {
            disposition::end_at_writing();
            Ok(())
        };
        // SAFETY: all it does is to make system calls that are allowed there (signal-safety(7)).
        unsafe { command.pre_exec(begin) };
        command
    }

    /// Starts it as a child, like [`Self::command`]. `input` and `output` are its descriptors 0
    /// and 1, where they are not to be this process's.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn start(
        &self,
        environment: &Environment,
        input: Option<BorrowedFd<'_>>,
        output: Option<BorrowedFd<'_>>,
    ) -> io::Result<Child> {
        #[cfg(target_os = "linux")]
        {
            let program = Program::new(&self.name, &self.arguments, environment)?;
            Child::start(&program, input, output)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let mut command = self.command(environment);
            if let Some(input) = input {
                command.stdin(input.try_clone_to_owned()?);
            }
            if let Some(output) = output {
                command.stdout(output.try_clone_to_owned()?);
            }
            Ok(command.spawn()?.into())
        }
    }

    /// Becomes the program. Returns only if that cannot be, with the reason.
    #[must_use]
    pub fn become_it(&self, environment: &Environment) -> io::Error {
        crate::exec::exec(&self.name, &self.arguments, environment)
    }
}

/// How a process ended: by itself, or by a signal.
#[must_use]
pub fn exit_code(status: ExitStatus) -> Option<u8> {
    status.code().and_then(|code| u8::try_from(code).ok()).filter(|_| status.signal().is_none())
}

/// A child, and a pipe that it inherited, on which it or who follows it may say one
/// thing.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    /// Readable when the child has ended, where the system has such a thing.
    ended: Option<OwnedFd>,
    /// Until it has been heard, or has nothing to say any more.
    pipe: Option<OwnedFd>,
}

/// What became of a [`Watched`] child.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// There was a byte on the pipe; there will be no other.
    Byte,
    /// The child has ended, and whether it was root when it did.
    Ended(ExitStatus, bool),
    /// Neither, up to the deadline.
    Late,
}

impl Watched {
    /// Watches a child. One that cannot be watched, because descriptors or memory are
    /// exhausted, is ended: nobody would know for how long it goes on.
    ///
    /// # Errors
    /// The system's.
    pub fn new(mut child: Child, pipe: OwnedFd) -> io::Result<Self> {
        match handle(child.id()) {
            Ok(ended) => Ok(Self { ended, child, pipe: Some(pipe) }),
            Err(reason) => {
                end(&mut child, None)?;
                Err(reason)
            }
        }
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next that happens. A descendant that keeps the pipe open does
    /// not keep us.
    ///
    /// # Errors
    /// What the system says of the wait.
    pub fn next(&mut self, deadline: Deadline) -> io::Result<News> {
        loop {
            let [ended, pipe] = [&self.ended, &self.pipe].map(|one| one.as_ref().map(AsFd::as_fd));
            let ready = wait_for_end_or(self.id(), ended, pipe, deadline)?;
            let Some([end, byte]) = ready else { return Ok(News::Late) };
            if byte && self.read_octet()? {
                return Ok(News::Byte);
            }
            if end {
                let was_root = ended_as_root(self.id(), true)?.unwrap_or(false);
                return Ok(News::Ended(self.child.wait()?, was_root));
            }
        }
    }

    /// Reads the one byte, or the end that comes instead, and closes the pipe.
    fn read_octet(&mut self) -> io::Result<bool> {
        let Some(pipe) = self.pipe.take() else { return Ok(false) };
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(&pipe, &mut [0; 1]))? > 0)
    }

    /// Whether the child is still root: a login program that has not become its user.
    /// `None` where the system does not tell.
    #[must_use]
    pub fn is_root(&self) -> Option<bool> {
        is_of_root(self.id())
    }

    /// Ends the child, whatever it is doing, and waits until it is gone. One that waits for
    /// a file system that hangs dies only when that answers: it is not waited for for long.
    ///
    /// # Errors
    /// The system's.
    pub fn end(&mut self) -> io::Result<()> {
        end(&mut self.child, self.ended.as_ref().map(AsFd::as_fd))
    }
}

/// The same of a child, and the descriptor that tells its end, if any.
fn end(child: &mut Child, ended: Option<BorrowedFd<'_>>) -> io::Result<()> {
    child.signal(Signal::KILL)?;
    if wait_for_end_or(child.id(), ended, None, Deadline::after_seconds(DEATH))?.is_none() {
        return Ok(());
    }
    child.wait().map(drop)
}

/// Whether the child of this process id ends before the deadline. It is still to be waited for.
///
/// # Errors
/// What the system says of the wait.
pub fn has_ended(child: u32, deadline: Deadline) -> io::Result<bool> {
    let ended = handle(child)?;
    let ended = ended.as_ref().map(AsFd::as_fd);
    Ok(wait_for_end_or(child, ended, None, deadline)?.is_some())
}

/// Waits until the child has ended, which `ended` tells where there is such a descriptor, or
/// there is something on the pipe, and says which of them; `None` at the deadline.
fn wait_for_end_or(
    child: u32,
    ended: Option<BorrowedFd<'_>>,
    pipe: Option<BorrowedFd<'_>>,
    deadline: Deadline,
) -> io::Result<Option<[bool; 2]>> {
    if ended.is_some() {
        let wanted = [ended, pipe].map(|one| one.map(|one| (one, Event::IN)));
        return wait_for_any(wanted, deadline);
    }
    let [mut look, at_the_latest] = LOOK;
    loop {
        // In this order: it may say something and end.
        let has_ended = ended_as_root(child, false)?.is_some();
        let is_readable = pipe.is_some_and(|pipe| !ready_now(pipe, Event::IN).is_empty());
        if has_ended || is_readable {
            return Ok(Some([has_ended, is_readable]));
        }
        if deadline.has_passed() {
            return Ok(None);
        }
        let soon = deadline.or_sooner(Deadline::after(look));
        wait_for_any([pipe.map(|pipe| (pipe, Event::IN))], soon)?;
        look = at_the_latest.min(look * 2);
    }
}

/// A descriptor that becomes readable when the child has ended, where the system
/// has such a thing.
fn handle(child: u32) -> io::Result<Option<OwnedFd>> {
    #[cfg(target_os = "linux")]
    {
        let pid = rustix::process::Pid::from_raw(child.cast_signed()).ok_or(Errno::ESRCH)?;
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            // Linux before 5.3; a container whose filter is from before it.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = child;
        Ok(None)
    }
}

/// Keeps this process's memory out of core files and from other processes of the
/// same user. What it runs later is not concerned.
pub fn keep_out_of_core_files() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Whether a child that has ended was root, by its real user; `None` where it has not and
/// this does not wait for it. It is still to be waited for.
///
/// # Errors
/// What the system says of the wait.
pub fn ended_as_root(pid: u32, waits: bool) -> io::Result<Option<bool>> {
    let waits = if waits { 0 } else { libc::WNOHANG };
    #[allow(clippy::useless_conversion, reason = "FreeBSD's is longer")]
    let child = libc::id_t::from(pid);
    let ended = ended(libc::P_PID, child, waits)?;
    Ok(ended.map(|(_, user)| user == 0))
}

/// A child that has ended and is still to be waited for. The system looks at each child.
#[cfg(feature = "signals")]
pub(crate) fn ended_child() -> Option<u32> {
    let (child, _) = ended(libc::P_ALL, 0, libc::WNOHANG).ok()??;
    u32::try_from(child).ok()
}

/// A child that has ended, and its real user. It is still to be waited for.
#[expect(unsafe_code, reason = "no safe wrapper tells whose process it was")]
fn ended(
    kind: libc::idtype_t,
    which: libc::id_t,
    waits: libc::c_int,
) -> io::Result<Option<(libc::pid_t, libc::uid_t)>> {
    let options = libc::WEXITED | libc::WNOWAIT | waits;
    // SAFETY: the system's own type, of numbers, for which nothing is a value.
    let mut ended = unsafe { std::mem::zeroed::<libc::siginfo_t>() };
    loop {
        // SAFETY: the pointer is to what the system fills in, here and nowhere else.
        if unsafe { libc::waitid(kind, which, &raw mut ended, options) } == 0 {
            break;
        }
        match Errno::last() {
            Errno::EINTR => {}
            reason => return Err(reason.into()),
        }
    }
    // SAFETY: what waitid says of a child, or nothing, has both.
    let (child, user) = unsafe { (ended.si_pid(), ended.si_uid()) };
    Ok((child != 0).then_some((child, user)))
}

/// Whether a process's real user is root. `None` where the system does not tell: it is not
/// Linux, or there is no `/proc`.
#[must_use]
pub fn is_of_root(pid: u32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    Some(user.split_whitespace().next() == Some("0"))
}

/// The children of a process, where the system lists them.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The name of a process as the kernel keeps it: at most 15 octets of its program's, or of
/// what it has called itself. Empty where the system does not tell.
#[must_use]
pub fn name(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

/// Whether the real user is root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::{for_child, pipe};
    use std::os::fd::AsRawFd;
    use std::process::Stdio;

    /// How the script ended, and how often it was heard; FD is the pipe.
    fn run(script: &str) -> (Option<u8>, u32) {
        let mut watched = watch(script);
        let mut heard = 0;
        loop {
            match watched.next(Deadline::NEVER).unwrap() {
                News::Byte => heard += 1,
                News::Ended(status, was_root) => {
                    assert_eq!(was_root, is_root());
                    return (exit_code(status), heard);
                }
                News::Late => panic!("there is no deadline"),
            }
        }
    }

    fn watch(script: &str) -> Watched {
        let (byte, sender) = pipe().unwrap();
        let inherited = for_child(&sender, 40).unwrap();
        let script = script.replace("FD", &inherited.as_raw_fd().to_string());
        // Its input ends when it is waited for.
        let child =
            Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        Watched::new(child.into(), byte).unwrap()
    }

    #[test]
    fn a_child_is_heard_and_waited_for() {
        assert_eq!(run("exit 7"), (Some(7), 0));
        assert_eq!(run("printf x >&FD; exit 3"), (Some(3), 1));
        assert_eq!(run("exec FD>&-; exit 4"), (Some(4), 0));
        assert_eq!(run("kill -9 $$"), (None, 0));
    }

    #[test]
    fn a_descendant_that_keeps_the_pipe_does_not_keep_us() {
        let (code, heard) = run("exec 5<&0; cat <&5 >/dev/null 2>&1 & exit 5");
        assert_eq!((code, heard), (Some(5), 0));
    }

    /// As in a container whose filter does not know the call.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_is_watched_where_seccomp_refuses_a_handle() {
        std::thread::spawn(|| {
            refuse_handles();
            let mut watched = watch("read line; exit 3");
            let at_once = Deadline::after_seconds(0);
            assert!(!has_ended(watched.id(), at_once).unwrap(), "it goes on");
            watched.child.signal(Signal::TERM).unwrap();
            assert!(has_ended(watched.id(), Deadline::NEVER).unwrap());
            assert!(matches!(watched.next(Deadline::NEVER), Ok(News::Ended(..))));
            a_child_is_heard_and_waited_for();
            a_descendant_that_keeps_the_pipe_does_not_keep_us();
            a_child_that_says_nothing_is_late_and_can_be_ended();
        })
        .join()
        .unwrap();
    }

    /// Has this thread refused pidfd_open(2), with EPERM.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "there is no safe wrapper, and the jail's filter kills")]
    fn refuse_handles() {
        const CALL: u32 = libc::SYS_pidfd_open as u32;
        const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let one = |code: u32, jf, k| libc::sock_filter { code: code as u16, jt: 0, jf, k };
        let mut filter = [
            one(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            one(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, CALL),
            one(libc::BPF_RET | libc::BPF_K, 0, REFUSED),
            one(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
        nix::sys::prctl::set_no_new_privs().unwrap();
        // SAFETY: the program and its instructions outlive the call.
        let done = unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        assert_eq!(done, 0);
    }

    #[test]
    fn a_child_that_says_nothing_is_late_and_can_be_ended() {
        let mut watched = watch("read line");
        assert_eq!(watched.next(Deadline::after_seconds(0)).unwrap(), News::Late);
        assert_eq!(watched.is_root(), Some(is_root()));
        watched.end().unwrap();
    }
}
