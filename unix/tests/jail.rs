//! The jail, tried from inside: this program starts itself once for each attempt,
//! goes to jail, and tries. What is allowed must work; everything else must end the
//! process by the filter's signal or, where the filter is left out, be refused by
//! Landlock.
//!
//! It has its own `main`, for the jail is for a process with one thread.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use unix::descriptor_passing::{await_message, channel, send};
use unix::jail::{self, Identity, Profile};

/// What there is before the jail: a channel, both its ends.
static CHANNEL: OnceLock<[OwnedFd; 2]> = OnceLock::new();

fn ends() -> &'static [OwnedFd; 2] {
    CHANNEL.get_or_init(|| channel().unwrap().into())
}

/// An attempt; it says whether it came through.
type Attempt = (&'static str, fn() -> bool);

const ALLOWED: &[Attempt] = &[
    ("write", || std::io::stdout().write_all(b"out").is_ok()),
    ("read", || std::io::stdin().read(&mut [0; 4]).is_ok()),
    ("allocate", || vec![1_u8; 64 << 20].iter().map(|&one| usize::from(one)).sum::<usize>() > 1),
    ("sleep", || {
        std::thread::sleep(std::time::Duration::from_millis(1));
        true
    }),
    ("do not block", || set_flags(OFlags::NONBLOCK).is_ok()),
    ("name memory, as glibc may", name_memory),
    ("send a message and receive it", || {
        let [ours, theirs] = ends();
        send(ours, b"out", &[]).is_ok() && await_message(theirs, &mut [0; 4]).is_ok()
    }),
    ("poll", || rustix::event::poll(&mut [], Some(&rustix::event::Timespec::default())).is_ok()),
];

/// What ends the process as a panic does: the C library's way, and each system call that
/// is behind it in one C library or another.
const ABORTS: &[Attempt] = &[
    ("abort", || std::process::abort()),
    ("abort with tgkill", || signal(libc::SYS_tgkill, &[own_pid(), own_pid()])),
    ("abort with tkill", || signal(libc::SYS_tkill, &[own_pid()])),
];

/// What a limit is in the way of.
const BOUNDED: &[Attempt] =
    &[("more memory than it needs", || Vec::<u8>::new().try_reserve_exact(2 << 30).is_err())];

const FORBIDDEN: &[Attempt] = &[
    ("be told of input by a signal", || set_flags(OFlags::from_bits_retain(0o20_000)).is_ok()),
    ("append", || set_flags(OFlags::APPEND).is_ok()),
    ("open a file", || File::open("/etc/passwd").is_ok()),
    ("open a directory", || std::fs::read_dir("/").is_ok()),
    ("create a file", || File::create("/tmp/x").is_ok()),
    ("stat a file", || std::fs::metadata("/").is_ok()),
    ("make a TCP socket", || {
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).is_ok()
    }),
    ("make a UNIX socket", || {
        rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok()
    }),
    ("make a socket pair", || channel().is_ok()),
    ("send a descriptor", || send(&ends()[0], b"out", &[std::io::stdin().as_fd()]).is_ok()),
    ("start a program", || Command::new("/bin/true").spawn().is_ok()),
    ("start a thread", || std::thread::Builder::new().spawn(|| ()).is_ok()),
    ("send a signal", || {
        let parent = rustix::process::getppid().unwrap();
        rustix::process::test_kill_process(parent).is_ok()
    }),
    ("abort another process with tgkill", || {
        let parent = parent_pid();
        signal(libc::SYS_tgkill, &[parent, parent])
    }),
    ("abort another process with tkill", || signal(libc::SYS_tkill, &[parent_pid()])),
    ("change the root", || rustix::process::chroot("/").is_ok()),
    ("raise a limit", || {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
        rustix::process::setrlimit(rustix::process::Resource::Core, limit).is_ok()
    }),
    ("become dumpable", || {
        let behavior = rustix::process::DumpableBehavior::Dumpable;
        rustix::process::set_dumpable_behavior(behavior).is_ok()
    }),
    ("duplicate a descriptor", || rustix::io::dup(std::io::stdin()).is_ok()),
];

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn parent_pid() -> i32 {
    rustix::process::getppid().unwrap().as_raw_nonzero().get()
}

/// Sends SIGABRT by the system call of this number.
#[expect(unsafe_code, reason = "the C library's functions choose the call themselves")]
fn signal(call: libc::c_long, whom: &[i32]) -> bool {
    // SAFETY: numbers, which the kernel checks.
    let done = unsafe {
        match *whom {
            [process, thread] => libc::syscall(call, process, thread, libc::SIGABRT),
            [thread] => libc::syscall(call, thread, libc::SIGABRT),
            _ => panic!("neither a thread nor a process and a thread"),
        }
    };
    done == 0
}

fn set_flags(flags: OFlags) -> rustix::io::Result<()> {
    let before = rustix::fs::fcntl_getfl(std::io::stdin())?;
    rustix::fs::fcntl_setfl(std::io::stdin(), before | flags)
}

#[expect(unsafe_code, reason = "no safe wrapper for this call is at hand")]
fn name_memory() -> bool {
    let page = vec![0_u8; 4096];
    let (what, name) = (libc::PR_SET_VMA_ANON_NAME, c"heap");
    // SAFETY: a name is given to memory that this process has, and nothing is changed.
    let done =
        unsafe { libc::prctl(libc::PR_SET_VMA, what, page.as_ptr(), page.len(), name.as_ptr()) };
    // Some kernels have no names, and none names half a page.
    done == 0 || std::io::Error::last_os_error().kind() == std::io::ErrorKind::InvalidInput
}

const PROFILES: [(&str, Profile); 2] =
    [("server", Profile::Server { clients: 4 }), ("signer", Profile::Signer)];

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("inside"), Some(profile), Some(name)) => inside(&profile, &name),
        _ => outside(),
    }
}

fn inside(profile: &str, name: &str) {
    unix::open_descriptors::close_others(&[]);
    ends();
    let (_, profile) = PROFILES.into_iter().find(|(found, _)| *found == profile).unwrap();
    if let Err(why) = jail::enter(profile, Some(Identity { user: 4711, group: 4712 })) {
        eprintln!("{why}");
        std::process::exit(2);
    }
    let attempts = ALLOWED.iter().chain(BOUNDED).chain(ABORTS).chain(FORBIDDEN);
    let (_, attempt) = attempts.into_iter().find(|(found, _)| *found == name).unwrap();
    std::process::exit(if attempt() { 0 } else { 1 });
}

fn outside() {
    let mut count = 0;
    for (profile, _) in PROFILES {
        for (name, _) in ALLOWED.iter().chain(BOUNDED) {
            // Who only computes has no reason to sleep.
            if (profile, *name) != ("signer", "sleep") {
                let output = tried(itself(), profile, name);
                assert_eq!(output.status.code(), Some(0), "{profile}: {name}: {output:?}");
            }
        }
        for (name, _) in ABORTS {
            let output = tried(itself(), profile, name);
            assert_eq!(
                output.status.signal(),
                Some(libc::SIGABRT),
                "{profile}: {name}: {output:?}"
            );
        }
        for (name, _) in FORBIDDEN {
            let output = tried(itself(), profile, name);
            assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{profile}: {name}: {output:?}");
            assert!(!output.status.core_dumped(), "{name}");
            count += 1;
        }
    }
    if rustix::process::geteuid().is_root() {
        without_a_capability();
    }
    println!("{count} attempts did not come through");
}

/// Containers take capabilities from root. Files are forbidden in another way then, or what
/// is missing is named.
fn without_a_capability() {
    for (dropped, step) in [
        ("-sys_chroot", "leaving the file system: the capability sys_chroot is missing\n"),
        ("-setuid", "change of user: the capability setuid is missing\n"),
        ("-setgid", "change of groups: the capability setgid is missing\n"),
    ] {
        let mut command = Command::new("setpriv");
        command.arg(format!("--bounding-set={dropped}")).arg(std::env::current_exe().unwrap());
        let output = tried(command, "server", "write");
        let said = String::from_utf8_lossy(&output.stderr);
        let goes_on = dropped == "-sys_chroot" && output.status.code() == Some(0);
        assert!(goes_on || said == step, "{dropped}: {output:?}");
        let mut command = Command::new("setpriv");
        command.arg(format!("--bounding-set={dropped}")).arg(std::env::current_exe().unwrap());
        let output = tried(command, "server", "open a file");
        assert_ne!(output.status.code(), Some(0), "{dropped}: {output:?}");
    }
}

fn itself() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn tried(mut command: Command, profile: &str, name: &str) -> Output {
    command.args(["inside", profile, name]).stdin(Stdio::null()).output().unwrap()
}
