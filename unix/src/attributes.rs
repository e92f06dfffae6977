//! Extended attributes of files (xattr(7)): the label by which SELinux says who may read one, and
//! what users have noted.
//!
//! They are only copied here. Called by [`crate::locked_file`]; access lists are
//! [`crate::access_list`]'s.

use std::fs::File;
use std::io;
use std::path::Path;

/// The most that Linux keeps of names, or in one value.
#[cfg(target_os = "linux")]
const LONGEST: usize = 65536;

/// What says something of the file's content, or of a program that it is.
#[cfg(target_os = "linux")]
const OF_CONTENT: [&[u8]; 3] = [b"security.ima", b"security.evm", b"security.capability"];

/// Gives a file those of another one. One that this process may not set is left out: the system
/// may give it a label of its own.
///
/// # Errors
/// The system's reason.
#[cfg(target_os = "linux")]
pub(crate) fn copy(from: &Path, to: &File) -> io::Result<()> {
    use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, getxattr, listxattr};
    use rustix::io::Errno;
    let mut names = vec![0; LONGEST];
    let length = match listxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = names.get(..length).unwrap_or_default().split(|&octet| octet == 0);
    let (mut value, mut known) = (vec![0; LONGEST], vec![0; LONGEST]);
    for name in names.filter(|name| is_kept(name)) {
        let length = match getxattr(from, name, &mut value[..]) {
            // Gone meanwhile.
            Err(Errno::NODATA) => continue,
            length => length?,
        };
        let value = value.get(..length).unwrap_or_default();
        let has_it = fgetxattr(to, name, &mut known[..]);
        if has_it.is_ok_and(|length| known.get(..length) == Some(value)) {
            continue;
        }
        match fsetxattr(to, name, value, XattrFlags::empty()) {
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            set => set?,
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn is_kept(name: &[u8]) -> bool {
    let is_ours = [&b"user."[..], b"security."].iter().any(|kind| name.starts_with(kind));
    is_ours && !OF_CONTENT.contains(&name)
}

/// Not asked for: what changes such files is built on Linux only.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn copy(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}
