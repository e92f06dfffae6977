//! Reading control files under the qmail home.

use crate::regular_file::open_file;
use proto::control::{one_line, seconds};
use proto::names::ControlFile;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, read, retry_on_intr};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Where qmail lives, unless `QMAILHOME` in the environment says otherwise.
pub const HOME: &str = "/var/qmail";

/// The qmail home that is meant where the variable says this. An empty value says nothing:
/// it is what `env QMAILHOME="$QMAILHOME"` comes to where nobody has set it.
#[must_use]
pub fn home(said: Option<&OsStr>) -> &OsStr {
    said.filter(|said| !said.is_empty()).unwrap_or(OsStr::new(HOME))
}

/// Where its control files are.
const FOLDER: &str = "control/";

/// A file or folder that could not be used, and the system's reason.
#[derive(Debug)]
pub struct Unreadable {
    name: OsString,
    reason: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.display(), crate::log::Reason(&self.reason))
    }
}

/// What a server calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The file that says so.
    pub file: ControlFile,
    /// Its first line.
    pub text: Vec<u8>,
}

/// The folder `control` of a qmail home.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the qmail home the working directory, of this process and its children.
    ///
    /// # Errors
    /// The home's name and the system's reason.
    pub fn enter(said: Option<&OsStr>) -> Result<Self, Unreadable> {
        let name = home(said).to_owned();
        match std::env::set_current_dir(&name) {
            Ok(()) => Ok(Self(FOLDER.into())),
            Err(reason) => Err(Unreadable { name, reason }),
        }
    }

    /// The folder of this home, and the working directory as it is.
    #[must_use]
    pub fn of(said: Option<&OsStr>) -> Self {
        Self(Path::new(home(said)).join(FOLDER))
    }

    /// The contents of a file; `None` where there is no such file.
    ///
    /// # Errors
    /// The file's name and the system's reason, where it is there and cannot be read.
    pub fn read(&self, file: ControlFile) -> Result<Option<Vec<u8>>, Unreadable> {
        match contents(&self.0.join(file.name())) {
            Ok(contents) => Ok(Some(contents)),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(reason) => Err(self.unreadable(file.name(), reason)),
        }
    }

    /// The contents of a file that must be there.
    ///
    /// # Errors
    /// As [`Self::read`], and where there is no such file.
    pub(crate) fn require(&self, file: ControlFile) -> Result<Vec<u8>, Unreadable> {
        let missing = || io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
        self.read(file)?.ok_or_else(|| self.unreadable(file.name(), missing()))
    }

    /// The greeting in this file, or else in `me`, which is the name of the server.
    ///
    /// # Errors
    /// As [`Self::read`], and where neither is there.
    pub fn greeting(&self, file: ControlFile) -> Result<Greeting, Unreadable> {
        let (file, contents) = match self.read(file)? {
            Some(contents) => (file, contents),
            None => (ControlFile::Me, self.require(ControlFile::Me)?),
        };
        Ok(Greeting { file, text: one_line(&contents).to_vec() })
    }

    /// A number of seconds; `default` where the file is absent or says none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn timeout(&self, file: ControlFile, default: u64) -> Result<u64, Unreadable> {
        Ok(self.read(file)?.and_then(|contents| seconds(&contents)).unwrap_or(default))
    }

    /// The contents of a file, understood; `None` where there is no such file.
    ///
    /// # Errors
    /// As [`Self::read`], and where `parse` says what is wrong with them.
    pub fn parse<T, E: fmt::Display>(
        &self,
        file: ControlFile,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Option<T>, Unreadable> {
        let parsed = self.read(file)?.map(|contents| parse(&contents)).transpose();
        parsed.map_err(|wrong| self.unfit(file, &wrong.to_string()))
    }

    /// What cannot be used of a file, for a reason that is not the system's.
    #[must_use]
    pub fn unfit(&self, file: ControlFile, why: &str) -> Unreadable {
        self.unreadable(file.name(), io::Error::other(why))
    }

    /// The same of one of its lines.
    pub(crate) fn unfit_line(&self, file: ControlFile, line: usize, why: &str) -> Unreadable {
        self.unreadable(&format!("{}:{line}", file.name()), io::Error::other(why))
    }

    fn unreadable(&self, file: &str, reason: io::Error) -> Unreadable {
        Unreadable { name: self.0.join(file).into(), reason }
    }
}

/// Where a file of this home is.
#[must_use]
pub fn control_file(home: &Path, file: ControlFile) -> PathBuf {
    home.join(FOLDER).join(file.name())
}

/// What a control file holds at most, in octets: far more than any that somebody has written.
const LONGEST: usize = 1024 * 1024;

/// All that is in a control file, with as few questions to the system as there can be: a
/// connection begins with some of them for each of the files.
///
/// # Errors
/// The system's; that it is no regular file, or longer than 1 MiB.
pub fn contents(path: &Path) -> io::Result<Vec<u8>> {
    /// More than most files hold, and little enough that few pages are used.
    const ROOM: usize = 2048;
    let file = open_file(path)?;
    let mut contents = Vec::with_capacity(ROOM);
    while retry_on_intr(|| read(&file, spare_capacity(&mut contents)))? > 0 {
        if contents.len() > LONGEST {
            return Err(io::Error::other("more than 1 MiB"));
        }
        if contents.len() == contents.capacity() {
            contents.reserve(contents.len());
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, Mode, mknodat};

    #[test]
    fn an_empty_variable_names_no_home() {
        for said in [None, Some("")] {
            assert_eq!(Folder::of(said.map(OsStr::new)).0, Path::new("/var/qmail/control"));
        }
        assert_eq!(Folder::of(Some(OsStr::new("/x"))).0, Path::new("/x/control"));
    }

    #[test]
    fn what_is_no_file_is_an_error_and_holds_nobody() {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join(FOLDER);
        std::fs::create_dir(&control).unwrap();
        let path = |file: ControlFile| control.join(file.name());
        let (fifo, device) = (ControlFile::Me, ControlFile::LogFormat);
        let (long, most) = (ControlFile::LoginNames, ControlFile::Fixsmtpio);
        let folder_in_folder = ControlFile::LoginFailures;
        mknodat(rustix::fs::CWD, path(fifo), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path(device)).unwrap();
        std::fs::create_dir(path(folder_in_folder)).unwrap();
        std::fs::write(path(long), vec![b'x'; LONGEST + 1]).unwrap();
        std::fs::write(path(most), vec![b'x'; LONGEST]).unwrap();
        let folder = Folder::of(Some(home.path().as_os_str()));
        for (file, why) in [
            (fifo, "not a regular file"),
            (device, "not a regular file"),
            (folder_in_folder, "Is a directory"),
            (long, "more than 1 MiB"),
        ] {
            let wrong = folder.read(file).unwrap_err().to_string();
            assert_eq!(wrong, format!("{}: {why}", path(file).display()));
        }
        assert_eq!(folder.read(most).unwrap().map(|octets| octets.len()), Some(LONGEST));
        assert!(folder.read(ControlFile::SmtpGreeting).unwrap().is_none());
    }
}
