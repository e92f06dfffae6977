//! One line on standard error for each event, written whole.
//!
//! Callers show whatever a stranger chose by `proto::escape::Escaped`, which bounds it
//! and marks the backslash. Here it is only made sure that one event is one line, also
//! where a file's name or a library's words have a line break in them.

use crate::close_on_exec::NO_SIGNAL;
use crate::descriptor::out_of_the_way;
use proto::escape::Escaped;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, retry_on_intr, write};
use rustix::net::{SendFlags, send};
use rustix::stdio::stderr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest line, in octets: short enough that a pipe takes it in one piece,
/// so that lines of different processes do not mix. The BSDs and macOS promise that of 512 only;
/// to cut lines there would lose more than the few that are longer and find a pipe almost full.
pub const LONGEST: usize = 4096;

/// How long a client may be held up by whoever reads the log. It is waited for at all as a
/// line of many a process's is lost too soon otherwise, where the reader is but slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a process writes that must not wait for whoever reads, or not for long; none, where it
/// may.
static BOUNDED: Mutex<Option<Bounded>> = Mutex::new(None);

/// The log of such a process.
struct Bounded {
    program: &'static str,
    /// What tells the journal how bad it is that lines were lost; may be empty.
    mark: &'static str,
    way: Way,
    /// How long a line waits for room, unless one before it has waited in vain.
    patience: Duration,
    /// Lines that found no room and have not been spoken of yet.
    lost: u64,
}

enum Way {
    /// A pipe, opened once more: not to block is then this process's own affair, while
    /// descriptor 2 is shared with whatever it starts.
    Own(OwnedFd),
    Socket,
    /// A file, which takes everything; or it was not or could not be opened, and is asked for
    /// room first, which somebody else may take in between.
    Asked,
}

/// From now on no line of this process waits for whoever reads the log. One that finds no
/// room is lost, and how many there were is said when there is room again.
///
/// `program` is named then, as in its other lines, and `mark` tells the journal that it is a
/// warning.
pub fn wait_for_nobody(program: &'static str, mark: &'static str) {
    bound(program, mark, own_way(), Duration::ZERO);
}

/// The same of a process that may wait for five seconds: once, for behind a line that was lost
/// none waits until there is room again.
pub fn wait_briefly(program: &'static str) {
    bound(program, "", own_way(), PATIENCE);
}

/// The same of a program that most often has nothing to log: it costs no system call before
/// there is a line. Where others write to the same pipe, one of them may take the last room
/// between the question and the line, which then waits for as long as nobody reads.
pub fn begin(program: &'static str) {
    bound(program, "", Way::Asked, PATIENCE);
}

fn bound(program: &'static str, mark: &'static str, way: Way, patience: Duration) {
    let mut bounded = BOUNDED.lock().unwrap_or_else(PoisonError::into_inner);
    *bounded = Some(Bounded { program, mark, way, patience, lost: 0 });
}

fn own_way() -> Way {
    let kind = fstat(stderr()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(FileType::Socket) => Way::Socket,
        Ok(FileType::Fifo | FileType::CharacterDevice) => {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            open("/proc/self/fd/2", flags, Mode::empty())
                .and_then(|own| out_of_the_way(&own).map_err(|_| Errno::MFILE))
                .map_or(Way::Asked, Way::Own)
        }
        _ => Way::Asked,
    }
}

/// Says how many lines were lost, if any were and there is room to say so. To be called
/// from time to time after [`wait_for_nobody`].
pub fn catch_up() {
    let mut bounded = BOUNDED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bounded) = &mut *bounded {
        bounded.catch_up();
    }
}

impl Bounded {
    /// Whether nothing is left to be said.
    fn catch_up(&mut self) -> bool {
        if self.lost > 0 {
            let Self { program, mark, lost, .. } = self;
            let text = format!("{program}: {lost} lines lost: the log was full");
            let line = one_line(&[mark, text.as_str()].concat());
            if !self.takes(&line) {
                return false;
            }
            self.lost = 0;
        }
        true
    }

    fn write(&mut self, line: &[u8]) {
        if self.catch_up() && (self.takes(line) || self.has_room() && self.takes(line)) {
            return;
        }
        self.lost += 1;
    }

    /// Whether there is room, or comes to be in time.
    fn has_room(&self) -> bool {
        let log = match &self.way {
            Way::Own(own) => own.as_fd(),
            Way::Socket | Way::Asked => stderr(),
        };
        let patience = Timespec::try_from(self.patience).ok();
        let mut asked = [PollFd::from_borrowed_fd(log, PollFlags::OUT)];
        !self.patience.is_zero() && poll(&mut asked, patience.as_ref()).is_ok_and(|ready| ready > 0)
    }

    fn takes(&self, line: &[u8]) -> bool {
        let written = retry_on_intr(|| match &self.way {
            Way::Own(own) => write(own, line),
            Way::Socket => send(stderr(), line, SendFlags::DONTWAIT | NO_SIGNAL),
            Way::Asked => {
                let mut asked = [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)];
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                match poll(&mut asked, Some(&now))? {
                    0 => Err(Errno::AGAIN),
                    _ => write(stderr(), line),
                }
            }
        });
        written.is_ok()
    }
}

/// Writes `PROGRAM TEXT` or `PROGRAM: TEXT`, as `prefix` has it, and a line feed.
/// A log that is broken stops nothing; one that nobody reads stops who has called neither
/// [`wait_for_nobody`] nor [`wait_briefly`] nor [`begin`], as programs of a connection have at
/// their start.
pub fn line(prefix: fmt::Arguments<'_>, text: fmt::Arguments<'_>) {
    let line = one_line(&format!("{prefix}{text}"));
    let mut bounded = BOUNDED.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *bounded {
        Some(bounded) => bounded.write(&line),
        None => drop(retry_on_intr(|| write(stderr(), &line))),
    }
}

fn one_line(text: &str) -> Vec<u8> {
    let mut line = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if letter.is_control() {
            line.push_str(&Escaped(letter.encode_utf8(&mut [0; 4]).as_bytes()).to_string());
        } else {
            line.push(letter);
        }
    }
    let mut line = line.into_bytes();
    line.truncate(LONGEST - 1);
    line.push(b'\n');
    line
}

/// Takes the log away from this process, and puts in its place what takes nothing.
///
/// # Errors
/// The system's, most likely that descriptors are exhausted; the log is still there.
pub fn let_go() -> io::Result<()> {
    // It may have another way to it.
    *BOUNDED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let (_, writer) = io::pipe()?;
    Ok(rustix::stdio::dup2_stderr(&writer)?)
}

/// The system's reason for an error, in its own words and no others.
pub struct Reason<'a>(pub &'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.to_string();
        f.write_str(words.split(" (os error ").next().unwrap_or(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(
            one_line("authup 1 a\nb\x1b\\x0a \u{fc} \u{9b}2J"),
            "authup 1 a\\x0ab\\x1b\\x0a \u{fc} \\xc2\\x9b2J\n".as_bytes()
        );
        let long = one_line(&"\n".repeat(LONGEST));
        assert_eq!(
            (long.len(), long.iter().filter(|&&octet| octet == b'\n').count()),
            (LONGEST, 1)
        );
    }

    #[test]
    fn a_line_waits_as_long_as_it_may_and_those_behind_a_lost_one_do_not() {
        let (reader, writer) = crate::descriptor::pipe().unwrap();
        for end in [&reader, &writer] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK).unwrap();
        }
        let short = Duration::from_millis(1);
        let (way, patience) = (Way::Own(writer), short);
        let mut log = Bounded { program: "x", mark: "<4>", way, patience, lost: 0 };
        let line = [b'a'; LONGEST];
        while log.takes(&line) {}
        for lost in 1..10 {
            log.write(&line);
            assert_eq!(log.lost, lost);
        }
        while rustix::io::read(&reader, &mut [0; LONGEST]).is_ok() {}
        log.write(&line);
        assert_eq!(log.lost, 0);
        let mut said = [0; 64];
        rustix::io::read(&reader, &mut said).unwrap();
        assert!(said.starts_with(b"<4>x: 9 lines lost: the log was full\na"));
        while log.takes(&line) {}
        // Somebody reads while it waits.
        log.patience = Duration::from_secs(60);
        std::thread::scope(|scope| {
            scope.spawn(|| rustix::io::read(&reader, &mut [0; 2 * LONGEST]));
            log.write(&line);
        });
        assert_eq!(log.lost, 0);
    }

    #[test]
    fn reasons_are_the_systems_words() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(Reason(&error).to_string(), "No such file or directory");
        assert_eq!(Reason(&io::ErrorKind::TimedOut.into()).to_string(), "timed out");
    }
}
