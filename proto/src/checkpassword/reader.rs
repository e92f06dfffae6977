//! The checkpassword interface, as seen by the program that answers: what it finds
//! on descriptor 3.
//!
//! The other half of [`super`]. Called by the programs of package
//! `checkpassword`, which read the octets and wipe them.

use crate::checkpassword::LIMIT;
use core::fmt;

/// User, password and timestamp, borrowed from the octets that were read. Never
/// printed: the password is among them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Who wants to log in; any octets but NUL.
    pub user: &'a [u8],
    /// The password; any octets but NUL.
    pub password: &'a [u8],
    /// What an APOP-like scheme would need; often empty.
    pub timestamp: &'a [u8],
}

/// Why the octets are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// More than [`LIMIT`] octets.
    TooLong,
    /// Fewer than three NULs.
    CutOff,
}

impl<'a> Credentials<'a> {
    /// Reads `user NUL password NUL timestamp NUL`; what follows is ignored.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &'a [u8]) -> Result<Self, RecordError> {
        if record.len() > LIMIT {
            return Err(RecordError::TooLong);
        }
        let (user, rest) = until_nul(record)?;
        let (password, rest) = until_nul(rest)?;
        let (timestamp, _) = until_nul(rest)?;
        Ok(Self { user, password, timestamp })
    }
}

fn until_nul(octets: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let nul = memchr::memchr(0, octets).ok_or(RecordError::CutOff)?;
    let (before, from_nul) = octets.split_at(nul);
    Ok((before, from_nul.get(1..).unwrap_or_default()))
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[credentials]")
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "more than {LIMIT} bytes"),
            Self::CutOff => f.write_str("ends before user, password and timestamp are complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;
    use std::{format, vec};

    #[test]
    fn three_strings_ended_by_nul() {
        let expected = Credentials { user: b"alice", password: b"a b", timestamp: b"<1.2@h>" };
        assert_eq!(Credentials::decode(b"alice\0a b\0<1.2@h>\0"), Ok(expected));
        assert_eq!(Credentials::decode(b"alice\0a b\0<1.2@h>\0more\0and more"), Ok(expected));
        let empty = Credentials { user: b"", password: b"", timestamp: b"" };
        assert_eq!(Credentials::decode(b"\0\0\0"), Ok(empty));
    }

    #[test]
    fn a_record_cut_off_anywhere_is_refused() {
        let record = b"alice\0secret\0<1.2@h>\0";
        for length in 0..record.len() {
            let cut = Credentials::decode(&record[..length]);
            assert_eq!(cut, Err(RecordError::CutOff), "{length}");
        }
    }

    #[test]
    fn the_whole_must_fit() {
        let mut record: Vec<u8> = b"alice\0".to_vec();
        record.extend(vec![b'p'; LIMIT - 8]);
        record.extend(b"\0\0");
        assert!(Credentials::decode(&record).is_ok());
        record.push(0);
        assert_eq!(Credentials::decode(&record), Err(RecordError::TooLong));
    }

    #[test]
    fn is_never_printed() {
        let credentials = Credentials::decode(b"alice\0secret\0\0").unwrap();
        assert_eq!(format!("{credentials:?}"), "[credentials]");
    }
}
