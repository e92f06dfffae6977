//! The file itself: which may be used, how it is made, read, written and locked.
//!
//! It is read and written a bucket at a time, not mapped: nobody dies of a file that is cut short,
//! and a process that looks at five places of two million octets is done sooner. The lock
//! is the open file's (`flock`), so that it goes with the process that holds it.

use super::facts::{Facts, Identity};
use crate::log::Reason;
use proto::failures::Case;
use proto::failures::bucket::{BUCKET, Bucket};
use proto::failures::header::{BUCKETS, Clock, FILE, HEADER, Header};
use proto::failures::keyed_hash::Key;
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, fsync, ftruncate, linkat,
    open, rename, unlink,
};
use rustix::io::{pread, pwrite};
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When it was read last is nobody's concern, and to write that down takes a tenth of a
/// login's count. Owners may ask for it.
#[cfg(target_os = "linux")]
const UNNOTICED: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const UNNOTICED: OFlags = OFlags::empty();
/// Between two tries to lock.
const NAP: Duration = Duration::from_micros(200);

/// The file, found to be usable.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    identity: Identity,
    header: Header,
}

/// The file is this process's to write, until this is dropped.
#[derive(Debug)]
pub struct Lock<'a>(&'a OwnedFd);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Why the file cannot be used.
#[derive(Debug)]
pub enum Trouble {
    /// The system's reason.
    System(io::Error),
    /// Not a regular file, or a symbolic link.
    NotRegular,
    /// Neither root's nor that of the user that this process acts as.
    Owner,
    /// Somebody else may read or write it.
    Mode,
    /// Not as long as it must be.
    Size,
    /// It is another kind of file, or of another version.
    NotOurs,
    /// It was made before the machine was started.
    OtherBoot,
    /// Somebody else holds the lock.
    Locked,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System(reason) => return Reason(reason).fmt(f),
            Self::NotRegular => "not a regular file",
            Self::Owner => "it belongs to another user",
            Self::Mode => "its group or others can read or write it",
            Self::Size => "wrong size",
            Self::NotOurs => "not a memory of refused logins, or of another version",
            Self::OtherBoot => "made before the machine was started",
            Self::Locked => "locked by another process",
        })
    }
}

impl From<rustix::io::Errno> for Trouble {
    fn from(reason: rustix::io::Errno) -> Self {
        Self::System(reason.into())
    }
}

impl From<io::Error> for Trouble {
    fn from(reason: io::Error) -> Self {
        Self::System(reason)
    }
}

impl File {
    /// Opens the file.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        Self::open_as(path, geteuid().as_raw())
    }

    /// The same, held to what it is to a process of this user, for `acceptutils check`: the file
    /// is opened as whoever asks.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open_as(path: &Path, user: u32) -> Result<Self, Trouble> {
        // Without NONBLOCK a FIFO in place of the file would hold us for ever.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = match open(path, flags | OFlags::NOCTTY | UNNOTICED, Mode::empty()) {
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::ISDIR) => {
                return Err(Trouble::NotRegular);
            }
            // Not moved out of the way of the low numbers: it closes on exec, descriptor 3 is
            // taken in whoever starts login programs, and to move it takes a tenth of a
            // login's count.
            opened => opened?,
        };
        let facts = Facts::of(&fd)?;
        if FileType::from_raw_mode(facts.mode) != FileType::RegularFile {
            return Err(Trouble::NotRegular);
        }
        if facts.owner != 0 && facts.owner != user {
            return Err(Trouble::Owner);
        }
        if Mode::from_raw_mode(facts.mode).intersects(Mode::RWXG | Mode::RWXO) {
            return Err(Trouble::Mode);
        }
        if facts.size != FILE {
            return Err(Trouble::Size);
        }
        let mut octets = [0; HEADER];
        if pread(&fd, &mut octets[..], 0)? != HEADER {
            return Err(Trouble::Size);
        }
        let header = Header::decode(&octets).ok_or(Trouble::NotOurs)?;
        match header.clock {
            // To ask for this start's number takes a fourth of the time of a login's count.
            Clock::SinceBoot { boot, inode }
                if inode != facts.identity.1 && this_boot() != Some(boot) =>
            {
                Err(Trouble::OtherBoot)
            }
            _ => Ok(Self { fd, identity: facts.identity, header }),
        }
    }

    /// The key of its hashes.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.header.key
    }

    /// Whether it is still whole, and the one of this name.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        Facts::at(path).is_ok_and(|facts| facts.identity == self.identity && facts.size == FILE)
    }

    /// Seconds on the file's clock.
    #[must_use]
    pub fn now(&self) -> u32 {
        let seconds = match self.header.clock {
            Clock::SinceBoot { .. } => since_boot(),
            Clock::Calendar => {
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
            }
        };
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Locks it, or tries to for so long; `None` where somebody else has it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn lock_within(&self, patience: Duration) -> Result<Option<Lock<'_>>, Trouble> {
        let mut begun: Option<Instant> = None;
        loop {
            match flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Lock(&self.fd))),
                Err(rustix::io::Errno::INTR) => {}
                // The clock is read only where somebody else has it.
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if begun.get_or_insert_with(Instant::now).elapsed() >= patience {
                        return Ok(None);
                    }
                    std::thread::sleep(NAP);
                }
                Err(reason) => return Err(reason.into()),
            }
        }
    }

    /// Reads the buckets that a case has to do with.
    ///
    /// # Errors
    /// The system's reason.
    pub fn read(&self, case: &mut Case) -> Result<(), Trouble> {
        while let Some(place) = case.unread() {
            let offset = place.offset();
            if pread(&self.fd, &mut place.octets_mut()[..], offset)? != BUCKET {
                return Err(Trouble::Size);
            }
        }
        Ok(())
    }

    /// Writes what it has changed of them: all, or as far as the system lets us, none.
    ///
    /// # Errors
    /// The system's reason.
    pub fn write(&self, case: &Case) -> Result<(), Trouble> {
        let mut changed = case.changed();
        let written = changed.try_for_each(|(offset, octets)| write_all(&self.fd, offset, octets));
        if written.is_err() {
            // Half of a charge would stay for good, and half an answer be given twice.
            for (offset, octets) in case.unchanged() {
                let _ = write_all(&self.fd, offset, octets);
            }
        }
        written
    }

    /// Shows every bucket, one after another, and writes those back that were changed:
    /// for `acceptutils failures`, under the lock where it changes any.
    ///
    /// # Errors
    /// The system's reason.
    pub fn each_bucket(&self, mut act: impl FnMut(&mut Bucket) -> bool) -> Result<(), Trouble> {
        let mut bucket = Bucket::empty();
        for index in 0..u64::from(BUCKETS) {
            let offset = HEADER as u64 + index * BUCKET as u64;
            if pread(&self.fd, &mut bucket.0[..], offset)? != BUCKET {
                return Err(Trouble::Size);
            }
            if act(&mut bucket) {
                write_all(&self.fd, offset, &bucket.0)?;
            }
        }
        Ok(())
    }
}

fn write_all(fd: &OwnedFd, offset: u64, octets: &[u8]) -> Result<(), Trouble> {
    if pwrite(fd, octets, offset)? == octets.len() {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::WriteZero).into())
    }
}

/// What [`create`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// There is one that can be used.
    Kept,
    /// There was none.
    New,
    /// There was one of ours that could not be used.
    Replaced,
}

/// Makes the file, and its folder if that is missing. One that can be used is left as it
/// is; one that is no memory of refused logins is not touched.
///
/// # Errors
/// Why there is none that can be used.
pub fn create(path: &Path) -> Result<Created, Trouble> {
    let replaces = match File::open(path) {
        Ok(_) => return Ok(Created::Kept),
        Err(Trouble::System(reason)) if reason.kind() == io::ErrorKind::NotFound => false,
        Err(trouble @ (Trouble::OtherBoot | Trouble::Size)) if !begins_like_ours(path) => {
            return Err(trouble);
        }
        Err(Trouble::OtherBoot | Trouble::Size) => true,
        Err(Trouble::NotOurs) if was_lost(path) => true,
        Err(trouble) => return Err(trouble),
    };
    if let Some(folder) = path.parent() {
        // Whatever the umask, nobody else's to write to. Services that start together may all
        // make it.
        let made = DirBuilder::new().mode(0o755).create(folder);
        made.or_else(|reason| if folder.is_dir() { Ok(()) } else { Err(reason) })?;
    }
    let temporary = temporary(path);
    let made = make(path, &temporary).and_then(|()| {
        if replaces {
            return Ok(rename(&temporary, path).map(|()| Created::Replaced)?);
        }
        match linkat(CWD, &temporary, CWD, path, AtFlags::empty()) {
            Ok(()) => Ok(Created::New),
            // Somebody else was first.
            Err(rustix::io::Errno::EXIST) => File::open(path).map(|_| Created::Kept),
            Err(reason) => Err(reason.into()),
        }
    });
    let _ = unlink(&temporary);
    made
}

/// Whether it is as long as it should be and has nothing in it: what was written before the
/// machine lost its power never came to the disk.
fn was_lost(path: &Path) -> bool {
    crate::regular_file::read(path).is_ok_and(|octets| octets.iter().all(|&octet| octet == 0))
}

fn begins_like_ours(path: &Path) -> bool {
    let mut octets = [0; HEADER];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut octets));
    read.is_ok_and(|count| count == 0 || Header::is_begun_by(&octets))
}

/// A name that nobody else takes for theirs: neither another process, nor another thread.
fn temporary(path: &Path) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{number}", std::process::id()));
    path.with_file_name(name)
}

fn make(path: &Path, temporary: &Path) -> Result<(), Trouble> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let _ = unlink(temporary);
    let fd = open(temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let mut key = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let header = Header { clock: clock_for(path, &fd), key: Key(key) };
    pwrite(&fd, &header.encode(), 0)?;
    reserve(&fd)?;
    ftruncate(&fd, FILE)?;
    // Before it has its name: else a machine that loses its power could have the name alone.
    Ok(fsync(&fd)?)
}

/// Takes the file's whole place, so that whatever is written later has its own, also where the
/// disk is full. Not every file system can promise that.
fn reserve(fd: &OwnedFd) -> Result<(), Trouble> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    match rustix::fs::fallocate(fd, rustix::fs::FallocateFlags::empty(), 0, FILE) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
        }
        reserved => return Ok(reserved?),
    }
    let mut starts = (HEADER as u64..FILE).step_by(BUCKET);
    starts.try_for_each(|offset| write_all(fd, offset, &[0; BUCKET]))
}

/// A file under `/run` goes with the machine's session, and so does the clock since boot.
fn clock_for(path: &Path, fd: &OwnedFd) -> Clock {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let is_of_boot = folder.is_some_and(|folder| folder.starts_with("/run"));
    match this_boot().filter(|_| is_of_boot) {
        Some(boot) => {
            let stat = fstat(fd).ok().filter(|_| is_in_memory(fd));
            Clock::SinceBoot { boot, inode: stat.map_or(0, |stat| stat.st_ino) }
        }
        None => Clock::Calendar,
    }
}

/// The number of the machine's start; `None` where the system has none.
fn this_boot() -> Option<[u8; 16]> {
    let text = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let mut digits = text.iter().filter_map(|&octet| char::from(octet).to_digit(16));
    let mut boot = [0; 16];
    for octet in &mut boot {
        *octet = u8::try_from(digits.next()? << 4 | digits.next()?).ok()?;
    }
    Some(boot)
}

/// Whether the file's system goes with this start of the machine.
#[cfg(target_os = "linux")]
fn is_in_memory(fd: &OwnedFd) -> bool {
    // tmpfs; statfs(2).
    rustix::fs::fstatfs(fd).is_ok_and(|system| system.f_type == 0x0102_1994)
}

/// Never asked, as [`since_boot`].
#[cfg(not(target_os = "linux"))]
const fn is_in_memory(_: &OwnedFd) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn since_boot() -> u64 {
    let clock = rustix::time::ClockId::Boottime;
    u64::try_from(rustix::time::clock_gettime(clock).tv_sec).unwrap_or(0)
}

/// Never asked: such files are made where there is a boot id only.
#[cfg(not(target_os = "linux"))]
const fn since_boot() -> u64 {
    0
}
