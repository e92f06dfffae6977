//! What the kernel is asked to refuse: tracing and core files, new privileges, files
//! and addresses (Landlock), and every system call that is not in a list (seccomp).
//! Linux only.

use super::filter::{self, If};
use super::{Failure, Profile, step};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
#[cfg(not(target_arch = "arm"))]
use libc::SYS_mmap as MMAP;
#[cfg(target_arch = "arm")]
use libc::SYS_mmap2 as MMAP;
use nix::sys::signal::Signal;
use std::io;

/// `has_left` is whether the file system's root has been left; if not, files must be
/// forbidden in another way.
pub(super) fn restrict(profile: Profile, has_left: Result<(), Failure>) -> Result<(), Failure> {
    if profile == Profile::Dialog {
        end_with_parent()?;
    }
    step("no tracing", nix::sys::prctl::set_dumpable(false))?;
    step("no new privileges", nix::sys::prctl::set_no_new_privs())?;
    let files_are_forbidden = restrict_files_and_network()?;
    if !files_are_forbidden {
        has_left?;
    }
    allow_system_calls(profile)
}

pub(super) const fn has_filter(_: Profile) -> bool {
    true
}

/// A parent that is gone already cannot be missed: the channel to it has ended.
fn end_with_parent() -> Result<(), Failure> {
    step("ending with its parent", nix::sys::prctl::set_pdeathsig(Signal::SIGKILL))
}

/// Landlock, as much of it as this kernel knows: no file may be opened or run, no
/// address bound or connected to, no signal sent. A kernel without it is no
/// reason to stop: the system call filter forbids the same and more. Says whether it
/// forbids files.
fn restrict_files_and_network() -> Result<bool, Failure> {
    let restrict = || -> Result<_, landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    let status = step("files and addresses", restrict().map_err(io::Error::other))?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// What everybody needs: open descriptors, memory, time, and the end. In no list, so
/// the end of the process: what opens, connects, runs, signals or traces; and what sends
/// descriptors, as sendmsg(2), so that none leaves a jail.
const EVERYBODY: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_close,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// [`Profile::Server`]: an event loop, and locks that threads could contend for.
const SERVER: &[libc::c_long] = &[
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_futex,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
];

/// [`Profile::Signer`]: locks of the cryptographic library.
const SIGNER: &[libc::c_long] = &[libc::SYS_futex];

/// [`Profile::Dialog`]: a descriptor in another's place.
const DIALOG: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS_dup3,
];

/// [`Profile::Relay`]: besides, the child's end, which it sees coming; by waitid(2) where the
/// kernel has no pidfd_open(2).
const RELAY: &[libc::c_long] = &[libc::SYS_wait4, libc::SYS_waitid, libc::SYS_pidfd_open];

const fn always(profile: Profile) -> &'static [&'static [libc::c_long]] {
    match profile {
        Profile::Server { .. } => &[EVERYBODY, SERVER],
        Profile::Signer => &[EVERYBODY, SIGNER],
        Profile::Dialog => &[EVERYBODY, DIALOG],
        Profile::Relay => &[EVERYBODY, DIALOG, RELAY],
    }
}

fn allow_system_calls(profile: Profile) -> Result<(), Failure> {
    let always = always(profile).concat();
    step("system call filter", filter::apply(&always, &conditions(profile)))
}

/// What F_SETFL may be asked for: besides, all that F_GETFL says of a socket or a pipe and
/// F_SETFL does not look at. Not that a signal is sent, or that the log is no longer
/// appended to.
const BLOCKING_OR_NOT: libc::c_int =
    libc::O_NONBLOCK | libc::O_ACCMODE | libc::O_LARGEFILE | LARGE_FILE;
/// `O_LARGEFILE` as the kernel has it, which C libraries hide on 64 bits.
const LARGE_FILE: libc::c_int = if cfg!(target_arch = "aarch64") { 0o400_000 } else { 0o100_000 };

fn conditions(profile: Profile) -> Vec<If> {
    const EXECUTABLE: u32 = libc::PROT_EXEC.cast_unsigned();
    let own = std::process::id();
    let mut conditions = vec![
        If::Without(MMAP, 2, EXECUTABLE),
        If::Without(libc::SYS_mprotect, 2, EXECUTABLE),
        // Blocking or not is all that may be changed about a descriptor.
        If::With(libc::SYS_fcntl, 1, libc::F_GETFL.cast_unsigned()),
        If::WithAndWithout(
            libc::SYS_fcntl,
            (1, libc::F_SETFL.cast_unsigned()),
            (2, !BLOCKING_OR_NOT.cast_unsigned()),
        ),
        // A name for memory, which glibc gives where GLIBC_TUNABLES says so.
        If::With(libc::SYS_prctl, 0, libc::PR_SET_VMA.cast_unsigned()),
        // abort(), so that a panic ends as one and not as a forbidden call: glibc's, musl's.
        If::With(libc::SYS_tgkill, 0, own),
        If::With(libc::SYS_tkill, 0, own),
    ];
    if profile == Profile::Relay {
        // More room in a pipe.
        let command = libc::F_SETPIPE_SZ.cast_unsigned();
        conditions.push(If::With(libc::SYS_fcntl, 1, command));
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::net::TcpListener;

    /// Landlock binds only the thread here, so it can be seen without the filter,
    /// which hides it otherwise (`tests/jail.rs` has the whole).
    #[test]
    fn landlock_alone_refuses_files_and_addresses() {
        let here = std::env::current_exe().unwrap();
        std::thread::spawn(move || {
            assert!(File::open(&here).is_ok());
            restrict_files_and_network().unwrap();
            let refused = |done: io::Error| done.kind() == io::ErrorKind::PermissionDenied;
            assert!(File::open(&here).is_err_and(refused));
            assert!(TcpListener::bind("127.0.0.1:0").is_err_and(refused));
        })
        .join()
        .unwrap();
    }
}
