//! Waiting, with an end: for what nobody reports, for a file, for a process.

use crate::folder::make_fifo;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// When to give up on something that should have happened at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The same, where there is much to do and something is seen of it.
pub(crate) const LONGEST: Duration = Duration::from_secs(900);

/// Looks again and again, and gives way to others in between, until `wanted` of what is seen
/// holds; where it never does, says `what` was waited for, and what was seen last. For what nobody
/// reports when it happens.
#[track_caller]
pub fn until<T: Debug>(what: &str, mut look: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "no {what}, but {seen:?}");
        thread::yield_now();
    }
}

/// Waits until something is found in a file, which others write and which need not be there
/// yet. Its folder must.
#[track_caller]
pub fn in_file<T>(file: &Path, what: impl Fn() -> String, find: impl Fn(&str) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    // The folder sees of each file in it what the file itself would.
    let events = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO;
    inotify::add_watch(&changes, file.parent().unwrap(), events).unwrap();
    loop {
        let text = fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if let Some(found) = find(&text) {
            return found;
        }
        let file = file.display();
        assert!(is_readable(&changes, deadline), "no {} in {file}: {text}", what());
        while rustix::io::read(&changes, &mut [0; 4096]).is_ok() {}
    }
}

/// Where programs wait until a test lets them go on: as many of them as it likes, each of which
/// reads a line of this FIFO, as a shell's `read` does.
#[derive(Debug)]
pub struct Gate(File);

impl Gate {
    /// Makes it, for everybody.
    #[must_use]
    pub fn make(fifo: &Path) -> Self {
        make_fifo(fifo);
        // Opened both ways, which waits for nobody.
        Self(File::options().read(true).write(true).open(fifo).unwrap())
    }

    /// Lets so many go on, now or when they come.
    pub fn open(&self, count: usize) {
        (&self.0).write_all(&b"\n".repeat(count)).unwrap();
    }
}

/// Waits for a child's end.
#[track_caller]
pub fn for_end(child: &mut Child) -> ExitStatus {
    until_gone(child.id());
    child.wait().unwrap()
}

/// Waits until a process has ended, whosever child it is.
#[track_caller]
pub fn until_gone(pid: u32) {
    assert!(is_gone(pid), "still running: {:?}", crate::process::Process::look(pid));
}

/// Whether a process has ended, for which this waits.
#[must_use]
pub fn is_gone(pid: u32) -> bool {
    let process = pidfd_open(Pid::from_raw(pid.cast_signed()).unwrap(), PidfdFlags::empty());
    process.is_err() || is_readable(&process.unwrap(), Instant::now() + PATIENCE)
}

/// Whether a descriptor is readable before the deadline.
pub(crate) fn is_readable(descriptor: &impl AsFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&left)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{OpenOptions, rename};
    use std::process::{Command, Stdio};

    #[test]
    fn what_is_written_to_a_file_is_seen_wherever_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("log"), folder.path().join("new"));
        let found = |part: &'static str| move |text: &str| text.contains(part).then_some(());
        let writer = thread::spawn({
            let file = file.clone();
            move || {
                let mut log = OpenOptions::new().append(true).create(true).open(&file).unwrap();
                log.write_all(b"one").unwrap();
                in_file(&file, || "two".into(), found("two"));
                log.write_all(b" three").unwrap();
                in_file(&file, || "four".into(), found("four"));
            }
        });
        in_file(&file, || "one".into(), found("one"));
        let mut log = OpenOptions::new().append(true).open(&file).unwrap();
        log.write_all(b" two").unwrap();
        in_file(&file, || "three".into(), found("three"));
        fs::write(&other, "four").unwrap();
        rename(other, file).unwrap();
        writer.join().unwrap();
    }

    #[test]
    fn whoever_waits_at_a_gate_goes_on_once_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::make(&folder.path().join("gate"));
        let waits =
            || Command::new("sh").args(["-c", "read -r go <gate"]).current_dir(&folder).spawn();
        let mut three = [(); 3].map(|()| waits().unwrap());
        gate.open(3);
        assert!(three.iter_mut().all(|one| for_end(one).success()));
    }

    #[test]
    fn a_child_s_end_is_waited_for() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        drop(child.stdin.take());
        assert!(for_end(&mut child).success());
        until_gone(pid);
        assert_eq!(until("two", || 2, |seen| *seen == 2), 2);
    }
}
