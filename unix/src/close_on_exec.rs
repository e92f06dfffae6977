//! Sockets that no program started by this one gets, and that raise no signal when nobody
//! reads any more.
//!
//! macOS has no flags for either: there descriptors are marked in a second step, which is
//! in time for processes with one thread, and `SIGPIPE` is what the process has made of it,
//! which ours ignore. Called wherever sockets are made.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;

/// Sending raises no signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// What is received closes on exec, as far as a flag can say so; see [`mark`].
#[cfg(not(target_vendor = "apple"))]
pub(crate) const RECEIVED: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
pub(crate) const RECEIVED: RecvFlags = RecvFlags::empty();

#[cfg(not(target_vendor = "apple"))]
const MADE: SocketFlags = SocketFlags::CLOEXEC;
#[cfg(target_vendor = "apple")]
const MADE: SocketFlags = SocketFlags::empty();

/// A pair of sockets that are connected to each other.
///
/// # Errors
/// The system's.
pub(crate) fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = rustix::net::socketpair(AddressFamily::UNIX, kind, MADE, None)?;
    mark(&pair.0)?;
    mark(&pair.1)?;
    Ok(pair)
}

/// Has a new descriptor close on exec where no flag has done so.
///
/// # Errors
/// The system's.
pub(crate) fn mark(descriptor: &OwnedFd) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    let _ = descriptor;
    Ok(())
}
