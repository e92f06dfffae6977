//! Descriptors that whoever started this process left open, and that nobody here knows of:
//! what they lead to is no business of ours, nor of a user's program behind us.

use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The first number that is none of the standard ones.
const FIRST: RawFd = 3;
/// Numbers that are tried one by one where the system tells neither which are open nor how
/// many can be.
const MOST: RawFd = 1 << 16;

/// Closes all but the first three and those that are `kept`: all that this process still
/// uses is to be among them.
pub fn close_others(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<_> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    kept.sort_unstable();
    let mut first = FIRST;
    for one in kept {
        close(first, one - 1);
        first = first.max(one + 1);
    }
    close(first, RawFd::MAX);
}

/// Closes all from this number on, at start-up: before anything of one's own is opened.
pub fn close_from(first: RawFd) {
    close(first.max(FIRST), RawFd::MAX);
}

/// From the first to the last.
fn close(first: RawFd, last: RawFd) {
    if last < first || at_once(first, last) {
        return;
    }
    // Linux before 5.9, or a filter that does not know the call.
    match listed() {
        Some(open) => {
            open.into_iter().filter(|one| (first..=last).contains(one)).for_each(close_one);
        }
        None => {
            let most = getrlimit(Resource::Nofile).current;
            let most = most.and_then(|most| RawFd::try_from(most).ok()).unwrap_or(MOST);
            (first..=last.min(most.max(MOST))).for_each(close_one);
        }
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe wrapper for close_range is at hand")]
fn at_once(first: RawFd, last: RawFd) -> bool {
    // SAFETY: by the contract of both callers above no object of this process owns a
    // descriptor that is closed behind its back.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

#[cfg(target_os = "freebsd")]
#[expect(unsafe_code, reason = "no safe wrapper for close_range is at hand")]
fn at_once(first: RawFd, last: RawFd) -> bool {
    // SAFETY: as above.
    unsafe { libc::close_range(first.cast_unsigned(), last.cast_unsigned(), 0) == 0 }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
const fn at_once(_: RawFd, _: RawFd) -> bool {
    false
}

/// Those that are open, where the system lists them; the one that this takes is closed again.
#[cfg(target_os = "linux")]
fn listed() -> Option<Vec<RawFd>> {
    use rustix::fs::{Mode, OFlags, RawDir, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open("/proc/self/fd", flags, Mode::empty()).ok()?;
    let own = folder.as_raw_fd();
    let mut space = [std::mem::MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&folder, &mut space);
    let mut open = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        // Those of this folder and of the one above are no numbers.
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse::<RawFd>().ok());
        open.extend(number.filter(|number| *number != own));
    }
    Some(open)
}

#[cfg(not(target_os = "linux"))]
const fn listed() -> Option<Vec<RawFd>> {
    None
}

#[expect(unsafe_code, reason = "a descriptor that is to be closed is known by its number only")]
fn close_one(number: RawFd) {
    // SAFETY: the number is only asked about, by a call that takes any number, and not kept.
    if rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).is_ok() {
        // SAFETY: it is open, and by the contract of the callers above nobody owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::for_child;
    use std::os::fd::IntoRawFd;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_listed_is_open_and_can_be_closed_one_by_one() {
        let (reader, _writer) = crate::descriptor::pipe().unwrap();
        let number = for_child(&reader, 200).unwrap().into_raw_fd();
        assert!(listed().unwrap().contains(&number));
        close_one(number);
        assert!(!listed().unwrap().contains(&number));
        close_one(number);
    }
}
