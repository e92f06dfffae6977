//! Reading control files under the qmail home.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;

/// Where qmail lives, unless `QMAILHOME` in the environment says otherwise.
pub const HOME: &str = "/var/qmail";

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

/// Makes the qmail home the working directory, of this process and its children.
///
/// # Errors
/// The folder's name and the system's reason.
pub fn enter(home: Option<&OsStr>) -> Result<(), Unreadable> {
    let name = home.unwrap_or(OsStr::new(HOME)).to_owned();
    std::env::set_current_dir(&name).map_err(|reason| Unreadable { name, reason })
}

/// The contents of `control/NAME` under the working directory; `None` where there
/// is no such file.
///
/// # Errors
/// The file's name and the system's reason, where it is there and cannot be read.
pub fn read(name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
    let path = format!("control/{name}");
    match std::fs::read(&path) {
        Ok(contents) => Ok(Some(contents)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(Unreadable { name: path.into(), reason }),
    }
}

/// The contents of a file that must be there.
///
/// # Errors
/// As [`read`], and where there is no such file.
pub fn require(name: &str) -> Result<Vec<u8>, Unreadable> {
    let missing = || Unreadable {
        name: format!("control/{name}").into(),
        reason: io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()),
    };
    read(name)?.ok_or_else(missing)
}
