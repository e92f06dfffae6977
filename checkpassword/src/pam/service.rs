//! What the service says whom PAM asks, read from the files that PAM reads; their grammar is
//! [`proto::pam_service`]'s.

use proto::pam_service::{FOLDERS, OTHER, Service, file_name};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Services that include one another go no deeper.
const DEPTH: usize = 8;

/// What a service, and all that it includes, says of one type: `auth` or `account`.
///
/// # Errors
/// The system's, but for files that are missing or not for us.
pub(super) fn read(service: &OsStr, kind: &str) -> io::Result<Service> {
    read_in(&FOLDERS, service, kind)
}

fn read_in(folders: &[&str], service: &OsStr, kind: &str) -> io::Result<Service> {
    let name = OsString::from_vec(file_name(service.as_bytes()));
    let own = with_included(folders, &name, kind, DEPTH)?;
    if own.lines == 0 { with_included(folders, OTHER.as_ref(), kind, DEPTH) } else { Ok(own) }
}

fn with_included(folders: &[&str], name: &OsStr, kind: &str, depth: usize) -> io::Result<Service> {
    let mut all = Service::read(&first_there(folders, name)?, kind);
    let Some(depth) = depth.checked_sub(1) else { return Ok(all) };
    for included in std::mem::take(&mut all.includes) {
        let more = with_included(folders, included.as_ref(), kind, depth)?;
        all.lines += more.lines;
        all.hashes += more.hashes;
        all.commands += more.commands;
    }
    Ok(all)
}

/// The file in the first folder that has it for us; nothing where none has.
fn first_there(folders: &[&str], name: &OsStr) -> io::Result<Vec<u8>> {
    for folder in folders {
        if let Some(file) = if_open_to_us(std::fs::read(Path::new(folder).join(name)))? {
            return Ok(file);
        }
    }
    Ok(Vec::new())
}

/// What a file holds, unless it is missing or not for us.
pub(super) fn if_open_to_us<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(content) => Ok(Some(content)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PAM itself looks for it.
    #[test]
    fn a_service_costs_what_the_file_says_that_pam_reads() {
        let folder = tempfile::tempdir().unwrap();
        let [etc, vendor] = ["etc", "vendor"].map(|name| folder.path().join(name));
        let write = |file: &Path, text: &str| {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let folders = [etc.to_str().unwrap(), vendor.to_str().unwrap()];
        let hashes = |name: &str| read_in(&folders, OsStr::new(name), "auth").unwrap().hashes;
        assert_eq!(hashes("mail"), 0);
        write(&vendor.join("other"), "auth required pam_unix.so\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("other"), "@include common-auth\n@include circle\n");
        write(&etc.join("common-auth"), "auth [default=1] pam_unix.so\n");
        write(&etc.join("circle"), "@include circle\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("mail"), "auth required pam_unix.so\nauth include common-auth\n");
        for name in ["mail", "Mail", "/usr/x/MAIL"] {
            assert_eq!(hashes(name), 4, "{name}");
        }
        // What the file has no line about, the other's lines decide.
        write(&etc.join("mail"), "account required pam_unix.so\n");
        assert_eq!(hashes("mail"), 2);
        write(&etc.join("mail"), "auth required pam_permit.so\n");
        assert_eq!(hashes("mail"), 0);
        // What is there and cannot be read is not missing.
        std::fs::create_dir(etc.join("folder")).unwrap();
        assert!(read_in(&folders, OsStr::new("folder"), "auth").is_err());
    }

    #[test]
    fn each_type_has_its_own_lines() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_str().unwrap()];
        let commands = |kind: &str| read_in(&folders, "mail".as_ref(), kind).unwrap().commands;
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("mail", "auth required pam_unix.so\naccount include more\n");
        write("more", "auth required pam_exec.so x\naccount required pam_exec.so x\n");
        assert_eq!((commands("auth"), commands("account")), (0, 1));
        write("mail", "auth required pam_exec.so x\n");
        write("other", "account required pam_permit.so\n");
        assert_eq!((commands("auth"), commands("account")), (1, 0));
    }
}
