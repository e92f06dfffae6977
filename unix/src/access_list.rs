//! Access lists of files (acl(5)), which say more than a mode who may do what.
//!
//! They are only copied here, in the system's own form. Called by [`crate::locked_file`], and by
//! `acceptutils check`, for which it is enough that there is one.

#[cfg(target_os = "linux")]
use rustix::{
    fs::{XattrFlags, fremovexattr, fsetxattr, getxattr},
    io::Errno,
};
use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
const NAME: &std::ffi::CStr = c"system.posix_acl_access";

/// That of a file; `None` where there is none, as on file systems without lists.
///
/// # Errors
/// The system's reason.
#[cfg(target_os = "linux")]
pub fn of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // The longest that Linux keeps.
    let mut list = vec![0; 65536];
    match getxattr(path, NAME, &mut list[..]) {
        Ok(length) => {
            list.truncate(length);
            Ok(Some(list))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(reason) => Err(reason.into()),
    }
}

/// Gives a file this one, or none, whatever new files have in its folder.
///
/// # Errors
/// The system's reason.
#[cfg(target_os = "linux")]
pub fn set(file: &File, list: Option<&[u8]>) -> io::Result<()> {
    let Some(list) = list else {
        return match fremovexattr(file, NAME) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            removed => Ok(removed?),
        };
    };
    Ok(fsetxattr(file, NAME, list, XattrFlags::empty())?)
}

/// Not asked for: what changes such files is built on Linux only.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub const fn of(_: &Path) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

/// As [`of`].
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub const fn set(_: &File, _: Option<&[u8]>) -> io::Result<()> {
    Ok(())
}
