//! What processes write, line by line, while they run.

use crate::wait::{LONGEST, PATIENCE};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::{ioctl_fionread, read, retry_on_intr};
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{PipeWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Fills a pipe, such as a log that nobody reads, until there is room for nothing.
#[track_caller]
pub fn fill(pipe: &PipeWriter) {
    // Whoever else writes to it waits: this is a description of its own.
    let own = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let at_once = OFlags::NONBLOCK.bits().cast_signed();
    let mut own = File::options().write(true).custom_flags(at_once).open(own).unwrap();
    for piece in [&[b'\n'; 4096][..], b"\n"] {
        while own.write(piece).is_ok() {}
    }
}

/// The lines of one source or more, in the order in which they come. Whoever writes always
/// has a reader in it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Written>, Condvar)>);

#[derive(Debug, Default)]
struct Written {
    lines: Vec<String>,
    /// Sources that may still say something.
    open: usize,
    /// Those of them that are there.
    sources: Vec<Source>,
}

/// What lines come from, and how many octets have come.
#[derive(Debug)]
struct Source(Arc<OwnedFd>, usize);

impl Source {
    fn is(&self, descriptor: &Arc<OwnedFd>) -> bool {
        Arc::ptr_eq(&self.0, descriptor)
    }

    /// How many will have come once all has that was written so far.
    fn written(&self) -> usize {
        self.1 + usize::try_from(ioctl_fionread(&self.0).unwrap()).unwrap()
    }
}

impl Log {
    /// The log of a source.
    pub fn of(source: impl Into<OwnedFd>) -> Self {
        let log = Self::default();
        log.follow(source);
        log
    }

    /// The log of whoever is going to write to a FIFO.
    #[must_use]
    pub fn of_fifo(fifo: &Path) -> Self {
        let (log, fifo) = (Self::default(), fifo.to_owned());
        log.written().open += 1;
        let opening = log.clone();
        thread::spawn(move || {
            let source = opening.begin(File::open(fifo).unwrap().into());
            opening.take_all(&source);
        });
        log
    }

    /// Takes what another source says into it, too.
    pub fn follow(&self, source: impl Into<OwnedFd>) {
        self.written().open += 1;
        let (log, source) = (self.clone(), self.begin(source.into()));
        thread::spawn(move || log.take_all(&source));
    }

    fn begin(&self, source: OwnedFd) -> Arc<OwnedFd> {
        let source = Arc::new(source);
        self.written().sources.push(Source(source.clone(), 0));
        source
    }

    fn take_all(&self, source: &Arc<OwnedFd>) {
        let mut line = Vec::new();
        while self.take(source, &mut line) {}
    }

    /// Waits until a source says something, and takes it into the log, of which nobody sees a
    /// part meanwhile; whether there may be more. The line that it is in the middle of is the
    /// caller's to keep.
    fn take(&self, source: &Arc<OwnedFd>, line: &mut Vec<u8>) -> bool {
        let _readable = poll(&mut [PollFd::new(source, PollFlags::IN)], None);
        let mut written = self.written();
        let mut octets = [0; 65_536];
        let count = retry_on_intr(|| read(source, &mut octets)).unwrap_or(0);
        let mut push = |line: &mut Vec<u8>| {
            written.lines.push(String::from_utf8_lossy(&std::mem::take(line)).into_owned());
        };
        for &octet in &octets[..count] {
            match octet {
                b'\n' => push(line),
                other => line.push(other),
            }
        }
        if count == 0 {
            if !line.is_empty() {
                push(line);
            }
            written.sources.retain(|one| !one.is(source));
            written.open -= 1;
        }
        let known = written.sources.iter_mut().find(|one| one.is(source));
        known.into_iter().for_each(|one| one.1 += count);
        drop(written);
        self.0.1.notify_all();
        count > 0
    }

    /// As good as ever behind somebody who has waited in vain, and panicked with it in hand: it
    /// is shown with the server's end then, where a second panic would end all other tests.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that have been written so far.
    #[track_caller]
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.catches_up();
        self.come()
    }

    /// What has come, for who only shows it.
    #[must_use]
    pub fn come(&self) -> Vec<String> {
        self.written().lines.clone()
    }

    /// How many lines contain the part, of all that have been written so far.
    #[track_caller]
    #[must_use]
    pub fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// Waits until all is in it that has been written so far.
    #[track_caller]
    pub fn catches_up(&self) {
        let so_far = |one: &Source| (one.0.clone(), one.written());
        let so_far: Vec<_> = self.written().sources.iter().map(so_far).collect();
        self.look("end of what is unread", |written| {
            let has_come = |(source, count): &(Arc<OwnedFd>, usize)| {
                written.sources.iter().all(|one| !one.is(source) || one.1 >= *count)
            };
            so_far.iter().all(has_come).then_some(())
        });
    }

    /// Waits for the line of this number, counted from 0.
    #[track_caller]
    #[must_use]
    pub fn line(&self, number: usize) -> String {
        self.wait(format_args!("line {number}"), |lines| lines.get(number).cloned())
    }

    /// Waits for the first line; `None` where all ends without one.
    #[track_caller]
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.look("line, nor an end,", |written| {
            let first = written.lines.first().cloned();
            (first.is_some() || written.open == 0).then_some(first)
        })
    }

    /// Waits until nobody can say any more; all lines.
    #[track_caller]
    pub fn end(&self) -> Vec<String> {
        self.look("end", |written| (written.open == 0).then(|| written.lines.clone()))
    }

    /// Waits for a line that contains all the parts, and returns it.
    #[track_caller]
    pub fn wait_for(&self, parts: &[&str]) -> String {
        let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.wait(format_args!("{parts:?}"), |lines| lines.iter().find(fits).cloned())
    }

    /// Waits until as many lines contain the part.
    #[track_caller]
    pub fn wait_for_count(&self, part: &str, count: usize) {
        self.wait(format_args!("{count} x {part:?}"), |lines| {
            (lines.iter().filter(|line| line.contains(part)).count() >= count).then_some(())
        });
    }

    /// Waits until something is found in the lines.
    #[track_caller]
    pub fn wait<T>(&self, what: impl Display, mut find: impl FnMut(&[String]) -> Option<T>) -> T {
        self.look(&what, |Written { lines, open, .. }| {
            let found = find(lines);
            assert!(found.is_some() || *open > 0, "the log ended without {what}: {lines:#?}");
            found
        })
    }

    #[track_caller]
    fn look<T>(&self, what: impl Display, mut find: impl FnMut(&Written) -> Option<T>) -> T {
        let deadline = Instant::now() + LONGEST;
        let mut held = self.written();
        loop {
            if let Some(found) = find(&held) {
                return found;
            }
            let (again, silence) = self.0.1.wait_timeout(held, PATIENCE).unwrap();
            held = again;
            let goes_on = !silence.timed_out() && Instant::now() < deadline;
            assert!(goes_on, "no {what} in {:#?}", held.lines);
        }
    }
}

impl Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#?}", self.come())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_leaves_the_lines_to_others() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"one\n").unwrap();
        drop(writer);
        let log = Log::of(reader);
        let waiting = log.clone();
        assert!(thread::spawn(move || drop(waiting.wait_for(&["two"]))).join().is_err());
        assert_eq!(log.lines(), ["one"]);
        assert_eq!(log.line(0), "one");
    }

    #[test]
    fn what_has_been_written_is_there_once_it_has_caught_up() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let log = Log::of(reader);
        log.catches_up();
        for number in 1..=1000 {
            writer.write_all(format!("a {number}\nhalf").as_bytes()).unwrap();
            log.catches_up();
            assert_eq!(log.lines().len(), number);
        }
        drop(writer);
        assert_eq!(log.end().last().unwrap(), "half");
    }

    #[test]
    fn lines_are_waited_for_whoever_says_them() {
        let [(one, mut first), (other, mut second)] =
            [std::io::pipe().unwrap(), std::io::pipe().unwrap()];
        let log = Log::of(one);
        log.follow(other);
        first.write_all(b"a 1\nb 1\n").unwrap();
        assert_eq!(log.wait_for(&["b", "1"]), "b 1");
        drop(first);
        second.write_all(b"a 2\n").unwrap();
        log.wait_for_count("a", 2);
        drop(second);
        assert_eq!(log.end(), ["a 1", "b 1", "a 2"]);
        assert_eq!((log.line(2), log.count("1")), ("a 2".into(), 2));
    }
}
