//! Descriptors that others gave us, and where ours go.
//!
//! Numbers 0 to 2 are the client's and the log's; 3 is what checkpassword reads.
//! Everything of our own is moved to [`OURS`] and above and closed on exec, so no
//! child inherits it by accident and 3 is free when it is needed.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
#[cfg(test)]
use rustix::io::FdFlags;
use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The lowest number that a descriptor of our own may have.
pub const OURS: RawFd = 10;

/// The lowest number that is not the client's or the log's.
pub const FIRST: RawFd = 3;

/// Takes over descriptors that were inherited under these numbers: moves them out of
/// the way, to be closed on exec. A number may come more than once; each has a
/// descriptor of its own then.
///
/// To be called at start-up, before anything else is opened, and with all numbers at
/// once: one that is not taken yet counts as free for what is opened, and a second call
/// for it would make a second owner.
///
/// # Errors
/// For each number: `EBADF` where it is not open, or is one of the first three; `EMFILE`
/// where no descriptor is left.
pub fn inherit<const COUNT: usize>(numbers: [RawFd; COUNT]) -> [io::Result<OwnedFd>; COUNT] {
    let mut adopted: Vec<(RawFd, Result<OwnedFd, Errno>)> = Vec::with_capacity(COUNT);
    for number in numbers {
        if adopted.iter().all(|(known, _)| *known != number) {
            adopted.push((number, adopt(number)));
        }
    }
    // Not before all are ours: a copy gets a number that is free, or only seems so.
    numbers.map(|number| match adopted.iter().find(|(known, _)| *known == number) {
        Some((_, Ok(descriptor))) => duplicate(descriptor, OURS),
        Some((_, Err(errno))) => Err((*errno).into()),
        None => Err(Errno::BADF.into()),
    })
}

/// The same for a row of numbers, up to the first that is not open or cannot be moved.
#[must_use]
pub(crate) fn inherit_row(numbers: Range<RawFd>) -> Vec<OwnedFd> {
    let adopted: Vec<_> = numbers.map_while(|number| adopt(number).ok()).collect();
    adopted.into_iter().map_while(|descriptor| duplicate(&descriptor, OURS).ok()).collect()
}

/// The descriptor's number that a variable holds. What is no number is no open
/// descriptor either.
#[must_use]
pub(crate) fn number_in(value: &[u8]) -> RawFd {
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(-1)
}

/// Moves a descriptor of our own out of the way of the low numbers.
///
/// # Errors
/// `EMFILE` where none is left.
pub fn out_of_the_way(descriptor: &impl AsFd) -> io::Result<OwnedFd> {
    duplicate(descriptor, OURS)
}

/// A pipe of our own: where to read, and where to write.
///
/// # Errors
/// `EMFILE` where there are not enough descriptors.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((out_of_the_way(&reader)?, out_of_the_way(&writer)?))
}

/// A second descriptor for what a test's child shall inherit, under `number`, or the next
/// one that is free.
///
/// # Errors
/// `EMFILE` where none is left.
#[cfg(test)]
pub(crate) fn for_child(descriptor: &impl AsFd, number: RawFd) -> io::Result<OwnedFd> {
    let inherited = duplicate(descriptor, number)?;
    rustix::io::fcntl_setfd(&inherited, FdFlags::empty())?;
    Ok(inherited)
}

/// A second descriptor, closed on exec, under this number or the next one that is free.
/// A number that is beyond the limit, which the system calls an invalid argument, is none
/// that is left.
fn duplicate(descriptor: &impl AsFd, number: RawFd) -> io::Result<OwnedFd> {
    let duplicate = fcntl_dupfd_cloexec(descriptor, number);
    Ok(duplicate.map_err(|errno| if errno == Errno::INVAL { Errno::MFILE } else { errno })?)
}

/// Makes operations on the descriptor, and on every copy of it, not block. For what is shared
/// with another process, that is only right once that has given it up.
///
/// # Errors
/// The system's.
pub fn unblock(descriptor: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&descriptor)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
fn adopt(number: RawFd) -> Result<OwnedFd, Errno> {
    if number < FIRST {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is only asked about, by a system call that takes any number,
    // and not kept: whether it is open, as a borrowed descriptor has to be, is what the
    // call says.
    fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, and by this module's contract (start-up, once for each
    // number, nothing of our own opened yet) no one else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::getsockname;
    use std::os::fd::{AsRawFd, IntoRawFd};

    #[test]
    fn what_is_inherited_moves_out_of_the_way() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = theirs.into_raw_fd();
        let [moved] = inherit([number]).map(Result::unwrap);
        assert!(moved.as_raw_fd() >= OURS);
        assert!(fcntl_getfd(&moved).unwrap().contains(FdFlags::CLOEXEC));
        assert!(getsockname(&moved).is_ok() && getsockname(&ours).is_ok());
    }

    #[test]
    fn one_number_may_come_twice() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let number = theirs.into_raw_fd();
        let [one, missing, other] = inherit([number, 9_999, number]);
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_ne!(one.as_raw_fd(), other.as_raw_fd());
        assert!(missing.is_err() && getsockname(&one).is_ok() && getsockname(&other).is_ok());
        drop((ours, one));
        assert!(getsockname(&other).is_ok(), "each is its own");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for number in [0, 2, 9_999] {
            let [error] = inherit([number]).map(Result::unwrap_err);
            assert_eq!(error.raw_os_error(), Some(Errno::BADF.raw_os_error()));
        }
    }

    #[test]
    fn a_child_inherits_only_what_is_for_it() {
        let (ours, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let inherited = for_child(&ours, 4).unwrap();
        assert!(!fcntl_getfd(&inherited).unwrap().contains(FdFlags::CLOEXEC));
    }
}
