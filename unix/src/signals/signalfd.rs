//! Linux: signals by signalfd(2).

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Signals that are blocked, and have arrived.
#[derive(Debug)]
pub(super) struct Queue(SignalFd);

impl Queue {
    /// Of these, which the caller has blocked.
    pub(super) fn of(set: &SigSet) -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(set, flags)?))
    }

    /// The next one, and the process that it is from.
    pub(super) fn next(&self) -> io::Result<Option<(Signal, u32)>> {
        let Some(info) = self.0.read_signal()? else { return Ok(None) };
        let signal = Signal::try_from(info.ssi_signo.cast_signed()).ok();
        Ok(signal.map(|signal| (signal, info.ssi_pid)))
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
