//! Descriptor 3, on which checkpassword finds user and password.

use crate::descriptor::inherit;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::RawFd;
use zeroize::Zeroizing;

/// What was read, wiped when dropped.
pub type Octets = Zeroizing<Vec<u8>>;

/// The number that the checkpassword interface fixes.
const PASSWORD_FD: RawFd = 3;

/// Reads descriptor 3 to its end and closes it. Of a sender that goes on past
/// `limit` one more octet is read, which tells it from one that stops there.
///
/// To be called once, before the process opens anything: whatever it opens first
/// becomes descriptor 3 where its caller passed none.
///
/// # Errors
/// `EBADF` where there is no descriptor 3; otherwise the system's reason.
pub fn read_password_fd(limit: usize) -> io::Result<Octets> {
    let [descriptor] = inherit([PASSWORD_FD]);
    read_bounded(File::from(descriptor?), limit)
}

/// Whether that says that there is no descriptor 3; the system's other reasons say nothing of
/// whoever called.
#[must_use]
pub fn is_missing(reason: &io::Error) -> bool {
    Errno::from_io_error(reason) == Some(Errno::BADF)
}

/// Takes what `source` has, at most `limit` octets and one, into one allocation that
/// never moves, so that wiping it wipes all.
fn read_bounded(mut source: impl Read, limit: usize) -> io::Result<Octets> {
    let mut octets = Zeroizing::new(vec![0; limit + 1]);
    let mut length = 0;
    while length < octets.len() {
        match source.read(&mut octets[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    octets.truncate(length);
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_the_excess_is_left() {
        let pieces = || b"alice\0"[..].chain(&b"secret\0"[..]).chain(&b"\0"[..]);
        assert_eq!(read_bounded(pieces(), 512).unwrap().as_slice(), b"alice\0secret\0\0");
        assert_eq!(read_bounded(pieces(), 14).unwrap().len(), 14);
        assert_eq!(read_bounded(pieces(), 13).unwrap().len(), 14);
        assert_eq!(read_bounded(pieces(), 5).unwrap().as_slice(), b"alice\0");
    }
}
