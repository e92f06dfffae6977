//! The client's side of a program: descriptors 0 and 1.
//!
//! Input is taken exactly, to the octet: what follows a line stays where it is,
//! for the TLS handshake or for the program that takes over. Neither descriptor is
//! set non-blocking, as other processes share them.

use crate::close_on_exec::NO_SIGNAL;
use crate::deadline::{Deadline, wait_for};
use crate::shortage::{is_short, pause};
use rustix::event::PollFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::stdio::{stderr, stdin, stdout};
use std::io;
use std::os::fd::BorrowedFd;
use zeroize::Zeroizing;

/// The most that is looked at in one go: more than any ordinary command.
const PEEKED: usize = 1024;

/// The most that can be written to a pipe that poll calls writable without
/// waiting: POSIX's PIPE_BUF on Linux, and no less than its minimum elsewhere.
pub(crate) const PIPE_PIECE: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// Where the client's input is.
#[must_use]
pub const fn input() -> BorrowedFd<'static> {
    stdin()
}

/// Where the client's output goes.
#[must_use]
pub const fn output() -> BorrowedFd<'static> {
    stdout()
}

/// Shows `consume` what has arrived, and takes from the descriptor just as much as
/// it returns. On a socket that is all that is there, on anything else one octet
/// at a time. What was shown is wiped. Returns whether there was any: `false` is
/// the end of input.
///
/// # Errors
/// `TimedOut` at the deadline; else what the system says.
pub fn read(deadline: Deadline, consume: &mut dyn FnMut(&[u8]) -> usize) -> io::Result<bool> {
    read_from(stdin(), deadline, consume)
}

/// [`read()`] from another descriptor whose next octets somebody else may be meant to have.
///
/// # Errors
/// The same.
pub fn read_from(
    input: BorrowedFd<'_>,
    deadline: Deadline,
    consume: &mut dyn FnMut(&[u8]) -> usize,
) -> io::Result<bool> {
    let mut buffer = Zeroizing::new([0; PEEKED]);
    wait_for(input, PollFlags::IN, deadline)?;
    match retry_on_intr(|| recv(input, &mut buffer[..], RecvFlags::PEEK)) {
        Ok((_, there)) => {
            let mut left = consume(&buffer[..there.min(PEEKED)]);
            while left > 0 {
                let piece = left.min(PEEKED);
                let taken = || recv(input, &mut buffer[..piece], RecvFlags::empty());
                let (_, taken) = retry_on_intr(taken)?;
                left = if taken == 0 { 0 } else { left.saturating_sub(taken) };
            }
            Ok(there > 0)
        }
        Err(Errno::NOTSOCK) => {
            let there = retry_on_intr(|| rustix::io::read(input, &mut buffer[..1]))?;
            if there > 0 {
                consume(&buffer[..1]);
            }
            Ok(there > 0)
        }
        Err(reason) => Err(reason.into()),
    }
}

/// Takes what has arrived on a socket and nobody will read, up to 16 kB, and waits for
/// nothing: a connection that is closed with something unread may lose what was written to
/// it last.
pub fn discard() {
    let mut buffer = Zeroizing::new([0; PEEKED]);
    for _ in 0..16 {
        let read = recv(stdin(), &mut buffer[..], RecvFlags::DONTWAIT);
        if !read.is_ok_and(|(_, count)| count > 0) {
            return;
        }
    }
}

/// Writes all of `bytes`, waiting for the client at each step until `seconds` have
/// gone by without its taking any.
///
/// # Errors
/// `TimedOut`; else what the system says.
pub fn write(bytes: &[u8], seconds: u64) -> io::Result<()> {
    write_until(bytes, seconds, Deadline::NEVER)
}

/// [`write()`] that is over at a deadline, however much the client takes now and then.
///
/// # Errors
/// `TimedOut`; else what the system says.
pub fn write_until(bytes: &[u8], seconds: u64, deadline: Deadline) -> io::Result<()> {
    let next_step = || Deadline::after_seconds(seconds).or_sooner(deadline);
    let (mut left, mut step) = (bytes, next_step());
    while !left.is_empty() {
        if deadline.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match write_ready(left)? {
            0 if step.has_passed() => return Err(io::ErrorKind::TimedOut.into()),
            0 => wait_for(stdout(), PollFlags::OUT, step)?,
            written => (left, step) = (&left[written..], next_step()),
        }
    }
    Ok(())
}

/// Writes what the client takes without waiting; 0 where it would have to wait. That is also
/// so, after a moment, where the system has too little memory for it: poll calls the client
/// writable all the same, and the caller tries again.
///
/// # Errors
/// What the system says.
pub fn write_ready(bytes: &[u8]) -> io::Result<usize> {
    let written = match send(stdout(), bytes, SendFlags::DONTWAIT | NO_SIGNAL) {
        Err(Errno::NOTSOCK) => {
            match wait_for(stdout(), PollFlags::OUT, Deadline::after_seconds(0)) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(0),
                Err(error) => return Err(error),
                Ok(()) => rustix::io::write(stdout(), &bytes[..bytes.len().min(PIPE_PIECE)]),
            }
        }
        sent => sent,
    };
    match written {
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) if is_short(errno) => pause().map(|()| 0),
        other => Ok(other?),
    }
}

/// Whether an error of the client's side says that the client, or the way to it, is gone. Any
/// other is one of this machine.
#[must_use]
pub fn is_gone(reason: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, NotConnected, TimedOut,
    };
    let of_connection =
        matches!(reason.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected);
    let of_network =
        matches!(reason.kind(), HostUnreachable | NetworkDown | NetworkUnreachable | TimedOut);
    of_connection || of_network || Errno::from_io_error(reason) == Some(Errno::HOSTDOWN)
}

/// Closes the client's side of this process, and puts what it has anyway in its place: the log.
/// Other processes that hold it keep it, but what has arrived is discarded.
pub fn let_go() {
    discard();
    let _ = rustix::stdio::dup2_stdin(stderr());
    let _ = rustix::stdio::dup2_stdout(stderr());
}
