//! The checkpassword interface, as seen by the program that asks: what goes to
//! descriptor 3. What the exit code answers is `login::outcome`'s; [`reader`] is the
//! other side's half.

pub mod reader;

use crate::secret::Secret;

/// The most that checkpassword reads, in octets, NULs included.
pub const LIMIT: usize = 512;

/// What checkpassword reads: user NUL password NUL timestamp NUL.
#[derive(Debug)]
pub struct Record(Secret);

impl Record {
    /// Joins the three. `None` where user or password is empty, where one holds a
    /// NUL, or where the whole would pass [`LIMIT`]: what checkpassword would read
    /// as something else is never offered to it.
    #[must_use]
    pub fn new(user: &[u8], password: &[u8], timestamp: &[u8]) -> Option<Self> {
        if user.is_empty() || password.is_empty() {
            return None;
        }
        let mut record = Secret::with_capacity(LIMIT);
        for part in [user, password, timestamp] {
            if memchr::memchr(0, part).is_some() || !record.append(part) || !record.append(&[0]) {
                return None;
            }
        }
        Some(Self(record))
    }

    /// Reads what [`Self::expose`] shows, and nothing that [`Self::new`] would not have
    /// made.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let reader::Credentials { user, password, timestamp } =
            reader::Credentials::decode(octets).ok()?;
        Self::new(user, password, timestamp).filter(|record| record.expose().len() == octets.len())
    }

    /// The same for a user of another name. `None` as [`Self::new`] says.
    #[must_use]
    pub fn with_user(&self, user: &[u8]) -> Option<Self> {
        let reader::Credentials { password, timestamp, .. } =
            reader::Credentials::decode(self.expose()).ok()?;
        Self::new(user, password, timestamp)
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        self.expose().split(|&octet| octet == 0).next().unwrap_or_default()
    }

    /// The password. Whoever calls this keeps it out of logs and errors.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        self.expose().split(|&octet| octet == 0).nth(1).unwrap_or_default()
    }

    /// What the session's greeting has of it.
    #[must_use]
    pub fn timestamp(&self) -> &[u8] {
        self.expose().split(|&octet| octet == 0).nth(2).unwrap_or_default()
    }

    /// The octets for descriptor 3.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_record_is_three_strings_ended_by_nul() {
        let record = Record::new(b"alice", b"a b", b"<1.2@h>").unwrap();
        assert_eq!(record.expose(), b"alice\0a b\0<1.2@h>\0");
        assert_eq!((record.user(), record.password()), (&b"alice"[..], &b"a b"[..]));
        let renamed = record.with_user(b"bob").unwrap();
        assert_eq!(renamed.expose(), b"bob\0a b\0<1.2@h>\0");
        assert!(record.with_user(b"").is_none());
    }

    #[test]
    fn d06_no_nul_inside_user_or_password() {
        assert!(Record::new(b"al\0ice", b"x", b"").is_none());
        assert!(Record::new(b"alice", b"x\0y", b"").is_none());
        assert!(Record::new(b"", b"x", b"").is_none());
        assert!(Record::new(b"alice", b"", b"").is_none());
    }

    #[test]
    fn d07_no_more_than_checkpassword_reads() {
        let fits = vec![b'p'; LIMIT - 3 - 5];
        assert_eq!(Record::new(b"alice", &fits, b"").unwrap().expose().len(), LIMIT);
        let over = vec![b'p'; LIMIT - 3 - 4];
        assert!(Record::new(b"alice", &over, b"").is_none());
        assert!(Record::new(b"alice", &fits, b"1").is_none());
    }
}
