//! Files that may be anybody's: opened without waiting for anybody, as one would for a FIFO's
//! writer, and read only where they are regular ones, as others could have a reader wait for
//! good, or never end.

use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::{Errno, pread, read as read_once, retry_on_intr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use zeroize::Zeroizing;

/// A file that is read in places, without being mapped: when it changes under us that is an
/// error of a read, where a mapping would end the process.

#[derive(Debug)]
pub struct RegularFile {
    descriptor: OwnedFd,
    opened: Version,
}

/// What changes with a file's content, or when another file takes its name.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
    links: u64,
}

impl Version {
    #[allow(
        clippy::cast_lossless,
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "the types of these fields are not everywhere the same"
    )]
    const fn of(stat: &Stat) -> Self {
        Self {
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
            links: stat.st_nlink as u64,
        }
    }
}

/// Opens what is there to be read, and says what that is. It waits for nobody, as it would for
/// a FIFO's writer; nor does a read then.
pub(crate) fn open_at_once(path: &Path) -> Result<(OwnedFd, Stat), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = retry_on_intr(|| open(path, flags, Mode::empty()))?;
    let stat = fstat(&descriptor)?;
    Ok((descriptor, stat))
}

/// Opens a regular file; anything else is `InvalidInput` with a text of ours.
pub(crate) fn open_regular(path: &Path) -> io::Result<(OwnedFd, Stat)> {
    let (descriptor, stat) = open_at_once(path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((descriptor, stat))
}

/// The same, with the system's own error for a folder.
pub(crate) fn open_file(path: &Path) -> io::Result<OwnedFd> {
    let (descriptor, stat) = open_at_once(path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(descriptor),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(io::Error::other("not a regular file")),
    }
}

/// The whole of a file that was just opened. As much room as it takes: growing would leave a
/// copy behind that is not wiped.
pub(crate) fn whole(descriptor: OwnedFd, stat: &Stat) -> io::Result<Zeroizing<Vec<u8>>> {
    // One octet more, so that its end is found.
    let size = usize::try_from(stat.st_size).unwrap_or(0);
    let mut octets = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    while retry_on_intr(|| read_once(&descriptor, spare_capacity(&mut octets)))? > 0 {
        if octets.len() == octets.capacity() {
            let length = octets.len();
            octets.reserve(length);
        }
    }
    Ok(octets)
}

/// Reads a whole file.
///
/// # Errors
/// The system's reason, or that it is no regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::from(open_file(path)?).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Reads a whole file of text.
///
/// # Errors
/// As [`read`], and `InvalidData` where it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::from(open_file(path)?).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a whole file, to be wiped after use; with the bits of its mode.
///
/// # Errors
/// The system's reason; `InvalidInput` where it is no regular file.
pub fn read_secret(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let (descriptor, stat) = open_regular(path)?;
    #[allow(clippy::useless_conversion, reason = "the bits' type is not everywhere the same")]
    let mode = u32::from(Mode::from_raw_mode(stat.st_mode).bits());
    Ok((whole(descriptor, &stat)?, mode))
}

impl RegularFile {
    /// Opens it, and waits for nobody, as it would for a FIFO's writer.
    ///
    /// # Errors
    /// The system's reason; `InvalidInput` with a text of ours for anything else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (descriptor, stat) = open_regular(path)?;
        Ok(Self { descriptor, opened: Version::of(&stat) })
    }

    /// How long it was when it was opened, in octets.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.opened.size.unsigned_abs()
    }

    /// Fills `octets` from this place on.
    ///
    /// # Errors
    /// The system's reason; `UnexpectedEof` where there are not so many.
    pub fn read_exact_at(&self, at: u64, octets: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let offset = at.saturating_add(filled as u64);
            match retry_on_intr(|| pread(&self.descriptor, &mut *rest, offset))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Whether nobody has written to it since it was opened, as far as its times tell.
    ///
    /// # Errors
    /// The system's reason.
    pub fn is_as_opened(&self) -> io::Result<bool> {
        Ok(Version::of(&fstat(&self.descriptor)?) == self.opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_an_end_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "some octets").unwrap();
        let file = RegularFile::open(&path).unwrap();
        assert_eq!(file.size(), 11);
        let mut octets = [0; 6];
        file.read_exact_at(5, &mut octets).unwrap();
        assert_eq!(&octets, b"octets");
        file.read_exact_at(1 << 40, &mut []).unwrap();
        let end = file.read_exact_at(6, &mut octets).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        assert!(file.is_as_opened().unwrap());
        std::fs::write(&path, "short").unwrap();
        assert!(!file.is_as_opened().unwrap());
        assert!(file.read_exact_at(0, &mut octets).is_err());
    }

    #[test]
    fn only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |path: &Path| RegularFile::open(path).unwrap_err().to_string();
        assert_eq!(reason(folder.path()), "not a regular file");
        assert_eq!(reason(Path::new("/dev/zero")), "not a regular file");
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(reason(&pipe), "not a regular file");
        assert_eq!(read_secret(&pipe).unwrap_err().to_string(), "not a regular file");
        assert_eq!(read(&pipe).unwrap_err().to_string(), "not a regular file");
        assert_eq!(read_to_string(&pipe).unwrap_err().to_string(), "not a regular file");
        let folder = read(folder.path()).unwrap_err();
        assert_eq!(folder.kind(), io::ErrorKind::IsADirectory);
    }
}
