//! The pump: descriptors, what came in on them, and waiting for more.
//!
//! All that is read or waited for goes through one poll, so that a program that
//! waits for us on one side is never starved by our waiting on another. Knows
//! nothing of cases; called by `play`.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long a whole case may take before it counts as hung.
pub const WATCHDOG: Duration = test_support::wait::PATIENCE;

/// The largest piece written at once: a pipe that polls writable takes it without blocking.
const PIECE: usize = 4096;

/// One connection as its holder sees it.
#[derive(Debug, Default)]
pub struct Channel {
    /// What is read from.
    pub input: Option<OwnedFd>,
    /// What is written to.
    pub output: Option<OwnedFd>,
    /// What came in and was not yet taken.
    pub got: Vec<u8>,
    /// The input has ended.
    pub ended: bool,
    /// By a reset connection, which loses what is on its way.
    pub reset: bool,
    /// Read whenever something is there; otherwise only when asked for.
    pub eager: bool,
    /// Bytes held back for the next send.
    pub held: Vec<u8>,
}

impl Channel {
    /// A channel that is read whenever something is there.
    #[must_use]
    pub fn eager(input: Option<OwnedFd>, output: Option<OwnedFd>) -> Self {
        Self { input, output, eager: true, ..Self::default() }
    }

    /// Reads what is there; to be called when the input polls readable.
    pub fn fill(&mut self) -> Result<()> {
        let Some(input) = &self.input else { return Ok(()) };
        let mut buffer = vec![0; 65536];
        match rustix::io::read(input, &mut buffer) {
            Ok(0) | Err(Errno::IO) => self.ended = true,
            Err(Errno::CONNRESET) => (self.ended, self.reset) = (true, true),
            Ok(count) => self.got.extend_from_slice(buffer.split_at(count).0),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => bail!("reading: {error}"),
        }
        Ok(())
    }

    /// Takes what came in up to and with the `feeds`-th line feed, if it is all there.
    pub fn take_lines(&mut self, feeds: usize) -> Option<Vec<u8>> {
        let mut ends =
            self.got.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
        let end = ends.nth(feeds.checked_sub(1)?)?;
        Some(self.got.drain(..end).collect())
    }

    /// Takes the first `count` octets, if they are there.
    pub fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (self.got.len() >= count).then(|| self.got.drain(..count).collect())
    }
}

/// Sends one piece of `bytes` without blocking; says how many octets went, or `None` if the
/// other side is gone.
pub fn send_piece(output: &OwnedFd, bytes: &[u8], at_most: usize) -> Result<Option<usize>> {
    let piece = bytes.split_at(bytes.len().min(PIECE).min(at_most)).0;
    match rustix::io::write(output, piece) {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
        Err(Errno::PIPE | Errno::CONNRESET) => Ok(None),
        Err(error) => bail!("sending: {error}"),
    }
}

/// Waits until one of `readers` is readable (or at its end), or `writer` is writable.
/// The answer has one entry for each reader, and one for the writer.
pub fn wait(
    readers: &[BorrowedFd<'_>],
    writer: Option<&OwnedFd>,
    deadline: Instant,
) -> Result<(Vec<bool>, bool)> {
    let mut polled: Vec<PollFd<'_>> =
        readers.iter().map(|reader| PollFd::from_borrowed_fd(*reader, PollFlags::IN)).collect();
    if let Some(writer) = writer {
        polled.push(PollFd::from_borrowed_fd(writer.as_fd(), PollFlags::OUT));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput).ok();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(0) => bail!("hung: nothing came for {} seconds", WATCHDOG.as_secs()),
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => bail!("poll: {error}"),
    }
    let mut ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
    let writable = writer.is_some() && ready.pop().unwrap_or(false);
    Ok((ready, writable))
}
