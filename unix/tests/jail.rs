//! The jail, tried from inside: this program starts itself once for each attempt,
//! goes to jail, and tries. What is allowed must work; everything else must end the
//! process by the filter's signal or, where the filter is left out, be refused by
//! Landlock.
//!
//! It has its own `main`, for the jail is for a process with one thread.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

use rustix::net::{AddressFamily, SocketType};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use unix::jail::{self, Identity, Inmate};

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
    ("poll", || rustix::event::poll(&mut [], Some(&rustix::event::Timespec::default())).is_ok()),
];

/// What ends the process as a panic does: the C library's way, and each system call that
/// is behind it in one C library or another.
const ABORTS: &[Attempt] = &[
    ("abort", || std::process::abort()),
    ("abort with tgkill", || signal(libc::SYS_tgkill, &[own_pid(), own_pid()])),
    ("abort with tkill", || signal(libc::SYS_tkill, &[own_pid()])),
];

const FORBIDDEN: &[Attempt] = &[
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
    ("make a socket pair", || unix::descriptor_passing::channel().is_ok()),
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

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("inside"), Some(name)) => inside(&name),
        _ => outside(),
    }
}

fn inside(name: &str) {
    unix::open_descriptors::close_others(&[]);
    jail::enter(Inmate::Server, Some(Identity { user: 4711, group: 4712 })).unwrap();
    let attempts = ALLOWED.iter().chain(ABORTS).chain(FORBIDDEN);
    let (_, attempt) = attempts.into_iter().find(|(found, _)| *found == name).unwrap();
    std::process::exit(if attempt() { 0 } else { 1 });
}

fn outside() {
    for (name, _) in ALLOWED {
        let status = tried(name).status;
        assert_eq!(status.code(), Some(0), "{name}: {status}");
    }
    for (name, _) in ABORTS {
        let status = tried(name).status;
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{name}: {status}");
    }
    for (name, _) in FORBIDDEN {
        let output = tried(name);
        assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{name}: {}", output.status);
        assert!(!output.status.core_dumped(), "{name}");
    }
    let (came, aborted, did_not) = (ALLOWED.len(), ABORTS.len(), FORBIDDEN.len());
    println!("{came} attempts came through, {aborted} aborted, {did_not} did not");
}

fn tried(name: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["inside", name]).stdin(Stdio::null()).output().unwrap()
}
