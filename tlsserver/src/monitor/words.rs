//! The log of login programs and of those behind them: a pipe that all of a service share,
//! and that is read here, so that what they write is bounded and cannot pass for what we say.
//!
//! The listener made it, and gives it to the next monitor, too: what is written while there is
//! none stays in it, and nobody is ended for writing.

use proto::program_words::{ProgramWords, Said};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use unix::descriptor::unblock;
use unix::journal::{Level, mark};

/// How long the end of a line is waited for.
const UNFINISHED: Duration = Duration::from_secs(1);

pub(super) struct Words {
    reader: OwnedFd,
    writer: OwnedFd,
    lines: ProgramWords,
    begun: Instant,
    /// When what has no end is written as it is.
    until: Option<Instant>,
}

impl Words {
    /// Reads from the one end; the other is for programs.
    pub(super) fn new(reader: OwnedFd, writer: OwnedFd) -> io::Result<Self> {
        unblock(&reader)?;
        let (lines, begun) = (ProgramWords::new(0), Instant::now());
        Ok(Self { reader, writer, lines, begun, until: None })
    }

    /// What a program gets as descriptor 2: a way of its own into the pipe, so that whether
    /// it blocks there is its own affair.
    pub(super) fn for_program(&self) -> io::Result<OwnedFd> {
        let name = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        rustix::fs::open(name, flags, Mode::empty()).map_or_else(|_| self.writer.try_clone(), Ok)
    }

    /// Takes some of what there is, so that nobody who writes much keeps all else waiting;
    /// whether there was something.
    pub(super) fn read_some(&mut self, buffer: &mut [u8]) -> bool {
        let now = Instant::now();
        let read = rustix::io::read(&self.reader, &mut *buffer).unwrap_or(0);
        let octets = buffer.get(..read).unwrap_or_default();
        self.lines.push(octets, self.clock(now), &mut log);
        self.until = self.lines.is_pending().then_some(now + UNFINISHED);
        read > 0
    }

    /// When [`Self::settle`] has something to do.
    pub(super) const fn next_turn(&self) -> Option<Instant> {
        self.until
    }

    /// Writes what has had its time to be ended.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.until.take_if(|until| *until <= now).is_some() {
            self.lines.flush(self.clock(now), &mut log);
            self.until = self.lines.is_pending().then_some(now + UNFINISHED);
        }
    }

    /// For a monitor that ends: takes what is there.
    pub(super) fn finish(&mut self, buffer: &mut [u8]) {
        // Who writes without end does not keep it.
        for _ in 0..64 {
            if !self.read_some(buffer) {
                break;
            }
        }
        self.lines.flush(self.clock(Instant::now()), &mut log);
    }

    fn clock(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

impl AsFd for Words {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn log(said: Said<'_>) {
    match said {
        Said::Line(text) => {
            let mark = mark(Level::Info);
            unix::log::line(format_args!("{mark}"), format_args!("program: {text}"));
        }
        Said::Lost(count) => {
            let mark = mark(Level::Warning);
            let text = format_args!("{count} lines of programs lost: too many");
            unix::log::line(format_args!("{mark}tlsserver: "), text);
        }
    }
}
