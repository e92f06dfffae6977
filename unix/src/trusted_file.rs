//! Files that say who may log in: read only where nobody else can have written them.

use crate::regular_file::{open_regular, whole};
use rustix::fs::Mode;
use rustix::process::geteuid;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a whole file, to be wiped after use. Group and others must not be able to
/// write it, and its owner is root or the user that this process acts as: who can
/// put a line into it can log in as anybody.
///
/// The file is looked at after it was opened, so that it cannot be changed for
/// another between the look and the reading.
///
/// # Errors
/// The system's reason; `InvalidInput` with a text of ours where it is not a regular
/// file, `PermissionDenied` where somebody else could have written it.
pub fn read_trusted(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let (fd, stat) = open_regular(path)?;
    let others = Mode::WGRP | Mode::WOTH;
    if Mode::from_raw_mode(stat.st_mode).intersects(others) {
        return Err(untrusted("its group or others can write it"));
    }
    if stat.st_uid != 0 && stat.st_uid != geteuid().as_raw() {
        return Err(untrusted("it belongs to another user"));
    }
    whole(fd, &stat)
}

fn untrusted(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, chmod, mknodat};
    use tempfile::tempdir;

    #[test]
    fn is_read_whole_unless_others_can_write_it() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"alice:x\n").unwrap();
        for mode in [0o600, 0o640, 0o644, 0o400] {
            chmod(&path, Mode::from_raw_mode(mode)).unwrap();
            assert_eq!(read_trusted(&path).unwrap().as_slice(), b"alice:x\n");
        }
        for mode in [0o620, 0o602, 0o664, 0o666] {
            chmod(&path, Mode::from_raw_mode(mode)).unwrap();
            let error = read_trusted(&path).unwrap_err();
            assert_eq!(error.to_string(), "its group or others can write it", "{mode:o}");
        }
    }

    #[test]
    fn another_users_file_is_not_trusted() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file away");
            return;
        }
        let folder = tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, b"alice:x\n").unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert_eq!(read_trusted(&path).unwrap_err().to_string(), "it belongs to another user");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/null")] {
            assert_eq!(read_trusted(path).unwrap_err().to_string(), "not a regular file");
        }
        let missing = read_trusted(&folder.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
