//! How the programs start that start once for each connection or message: at C's
//! `main`, without what Rust's runtime does before its own. Most of that is a guard
//! for the stack, and a handler that says so when it overflows; without them the
//! kernel ends such a process all the same.
//!
//! What programs do rely on is done here: descriptors 0 to 2 are open, and writing
//! to what nobody reads is an error, not a signal.

use crate::about;
use crate::{log, memory_limit, state};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;

/// Makes `main`, a function from the words of the command line behind the program's
/// name to an exit code, the program's beginning; the usage, which says its name, is what
/// `--help` is answered with. The file says `#![no_main]`.
#[macro_export]
macro_rules! program {
    ($main:path, $usage:expr) => {
        #[cfg(target_os = "linux")]
        #[global_allocator]
        static HEAP: $crate::start::Heap = $crate::start::Heap;

        /// C's beginning.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::core::ffi::c_int,
            words: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            // SAFETY: this is what the C library passes.
            unsafe {
                $crate::start::start(count, words, $main, ($usage, env!("CARGO_PKG_VERSION")))
            }
        }
    };
}

/// What programs allocate from, as long as they live: one piece of the system's memory, for
/// nearly all of them, of which as much is used as is needed. musl's `malloc` asks the
/// system for each page, and gives it back, which takes longer than all else that such a
/// program does by itself.
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use dlmalloc::GlobalDlmalloc as Heap;

/// What [`program!`] makes `main` do.
///
/// # Safety
/// `count` and `words` are what the C library passes to `main`.
#[doc(hidden)]
#[expect(unsafe_code, reason = "the command line comes as pointers")]
pub unsafe fn start(
    count: c_int,
    words: *const *const c_char,
    main: fn(&mut dyn Iterator<Item = OsString>) -> u8,
    (usage, version): (&'static str, &str),
) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    let word = |index: usize| {
        // SAFETY: C promises so many pointers to strings that end, which stay where
        // they are while `main` runs.
        let word = unsafe { CStr::from_ptr(*words.add(index)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    };
    open_standard_descriptors();
    let name = usage.split(' ').nth(1).unwrap_or_default();
    log::begin(name);
    // Before anything else takes memory, so that all of it can come to lie in this piece.
    if !memory_limit::has_room() {
        log::line(format_args!("{name}: "), format_args!("limit on memory too low"));
        return c_int::from(proto::exit_code::TEMPORARY);
    }
    let first = (count > 1).then(|| word(1));
    if about::answers(first.as_deref(), usage, version) {
        return 0;
    }
    state::begin();
    c_int::from(main(&mut (1..count).map(word)))
}

/// Puts something harmless where one of descriptors 0 to 2 is closed: what is opened
/// next would else be taken for the client, or get the log. To read from 0 or to write to
/// 1 is an error then, as it would be without: no message ends early or goes nowhere unnoticed.
fn open_standard_descriptors() {
    let standard = [
        (rustix::stdio::stdin(), OFlags::WRONLY),
        (rustix::stdio::stdout(), OFlags::RDONLY),
        (rustix::stdio::stderr(), OFlags::RDWR),
    ];
    let mut asked = standard.map(|(descriptor, _): (BorrowedFd<'static>, _)| {
        PollFd::from_borrowed_fd(descriptor, PollFlags::empty())
    });
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if rustix::event::poll(&mut asked, Some(&now)).is_ok_and(|events| events == 0) {
        return;
    }
    for (one, (_, how)) in asked.iter().zip(standard) {
        if !one.revents().contains(PollFlags::NVAL) {
            continue;
        }
        // It gets the lowest number that is free: these, one after the other.
        match rustix::fs::open("/dev/null", how, Mode::empty()) {
            Ok(nothing) => _ = nothing.into_raw_fd(),
            Err(_) => std::process::abort(),
        }
    }
}
