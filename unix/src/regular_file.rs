//! A regular file that is read in places, without being mapped: when it changes under us
//! that is an error of a read, where a mapping would end the process.

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};
use rustix::io::{Errno, pread, retry_on_intr};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The file, as it was when it was opened.
#[derive(Debug)]
pub struct RegularFile {
    descriptor: OwnedFd,
    opened: Version,
}

/// What changes with a file's content.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
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
        }
    }
}

/// Opens what is there to be read, and says what that is. It waits for nobody, as it would for
/// a FIFO's writer; nor does a read then.
pub(crate) fn open_at_once(path: &Path) -> Result<(OwnedFd, Stat), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let descriptor = open(path, flags, Mode::empty())?;
    let stat = fstat(&descriptor)?;
    Ok((descriptor, stat))
}

impl RegularFile {
    /// Opens it, and waits for nobody, as it would for a FIFO's writer.
    ///
    /// # Errors
    /// The system's reason; `InvalidInput` with a text of ours for anything else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (descriptor, stat) = open_at_once(path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Self { descriptor, opened: Version::of(&stat) })
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
    }
}
