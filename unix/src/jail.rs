//! What a process gives up before it reads a stranger's first octet.
//!
//! The steps, in the order in which they work: descriptors and core files while
//! the process may still change its limits; the file system and the user while it
//! is still root; Landlock; and last the system call filter, which would forbid
//! all of the others. Every step is one function; [`enter`] takes them all.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;

/// User and group that the process becomes, if it is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub user: u32,
    /// The group's number; there will be no other groups.
    pub group: u32,
}

/// Why a process could not be jailed: the step, and the system's reason.
#[derive(Debug)]
pub struct Failure {
    /// The step that failed.
    pub step: &'static str,
    /// The reason.
    pub reason: io::Error,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.step, self.reason)
    }
}

fn step<T, E: Into<io::Error>>(step: &'static str, done: Result<T, E>) -> Result<T, Failure> {
    done.map_err(|reason| Failure { step, reason: reason.into() })
}

/// Takes all steps. The process should have one thread. There is no way back.
///
/// As an ordinary user the file system's root and the user stay what they are;
/// Landlock and the filter hold all the same.
///
/// # Errors
/// The first step that failed; the process should then end.
pub fn enter(identity: Identity) -> Result<(), Failure> {
    raise_descriptor_limit()?;
    forbid_core_files_and_tracing()?;
    if Uid::effective().is_root() {
        leave_file_system()?;
        become_user(identity)?;
        // A change of user makes the process dumpable again on some kernels.
        forbid_core_files_and_tracing()?;
    }
    step("no new privileges", nix::sys::prctl::set_no_new_privs())?;
    restrict_files_and_network()?;
    allow_system_calls()
}

/// Closes every descriptor but 0, 1 and 2: what the program that started us left
/// open. To be called before anything is opened here.
///
/// # Errors
/// The system's.
#[expect(unsafe_code, reason = "no safe wrapper for close_range is at hand")]
pub fn close_other_descriptors() -> io::Result<()> {
    // SAFETY: called first thing, by contract, so no object of this process owns
    // a descriptor above 2 that would be closed behind its back.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Names the process for those who list processes; 15 octets are shown.
///
/// # Errors
/// The system's.
pub fn set_name(name: &CStr) -> io::Result<()> {
    Ok(nix::sys::prctl::set_name(name)?)
}

fn raise_descriptor_limit() -> Result<(), Failure> {
    const WHAT: &str = "limit on descriptors";
    let (_, most) = step(WHAT, getrlimit(Resource::RLIMIT_NOFILE))?;
    step(WHAT, setrlimit(Resource::RLIMIT_NOFILE, most, most))
}

fn forbid_core_files_and_tracing() -> Result<(), Failure> {
    step("limit on core files", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    step("no tracing", nix::sys::prctl::set_dumpable(false))
}

/// The new root is a directory that is empty and no longer exists, so nothing can
/// be put into it either.
fn leave_file_system() -> Result<(), Failure> {
    const WHAT: &str = "leaving the file system";
    let template = std::env::temp_dir().join("empty.XXXXXX");
    let directory = step(WHAT, nix::unistd::mkdtemp(&template))?;
    let entered = nix::unistd::chdir(&directory);
    let removed = std::fs::remove_dir(&directory);
    step(WHAT, entered)?;
    step(WHAT, removed)?;
    step(WHAT, nix::unistd::chroot("."))?;
    step(WHAT, nix::unistd::chdir("/"))
}

fn become_user(Identity { user, group }: Identity) -> Result<(), Failure> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    step("groups", nix::unistd::setgroups(&[]))?;
    step("group", nix::unistd::setresgid(group, group, group))?;
    step("user", nix::unistd::setresuid(user, user, user))
}

/// Landlock, as much of it as this kernel knows: no file may be opened or run, no
/// address bound or connected to, no signal sent. A kernel without it is no
/// reason to stop: the system call filter forbids the same and more.
fn restrict_files_and_network() -> Result<(), Failure> {
    let restrict = || -> Result<_, landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .restrict_self()
    };
    step("Landlock", restrict().map_err(io::Error::other))?;
    Ok(())
}

/// Descriptors, memory, time, random octets, waiting, ending. Not in the list, so
/// the end of the process: anything that opens, connects, runs, signals or traces.
const PLAIN: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
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

fn allow_system_calls() -> Result<(), Failure> {
    const WHAT: &str = "system call filter";
    let program = step(WHAT, filter().map_err(io::Error::other))?;
    step(WHAT, seccompiler::apply_filter(&program).map_err(io::Error::other))
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        PLAIN.iter().map(|&call| (call, Vec::new())).collect();
    let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
    let no_code = when(2, SeccompCmpOp::MaskedEq(executable), 0)?;
    rules.insert(libc::SYS_mmap, vec![no_code.clone()]);
    rules.insert(libc::SYS_mprotect, vec![no_code]);
    // Blocking or not is all that may be changed about a descriptor.
    let mut flags = Vec::new();
    for command in [libc::F_GETFL, libc::F_SETFL] {
        flags.push(when(1, SeccompCmpOp::Eq, u64::from(command.cast_unsigned()))?);
    }
    rules.insert(libc::SYS_fcntl, flags);
    // abort(), so that a panic ends as one and not as a forbidden call.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

fn when(
    argument: u8,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)?;
    SeccompRule::new(vec![condition])
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
