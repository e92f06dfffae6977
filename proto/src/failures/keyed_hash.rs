//! What the table has in place of users' names and secrets: hashes, with a key of the file's
//! own. The key is kept in the `header`, the hashes are in the
//! `bucket`s.

use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// The hashes' key, chosen by chance when the file is made: nobody can choose names or
/// networks that meet in one bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl Key {
    pub(super) fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_key(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// A user's name as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserHash(pub(super) u64);

impl fmt::Display for UserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", self.0)
    }
}

/// 12 bits of a user's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub(super) u16);

/// Sets apart what is hashed with one key.
const USER: u8 = b'u';
const SECRET: u8 = b's';

/// Letters of ASCII in lower case. So many octets at once, since the hash takes as long for
/// one as for eight.
fn write_name(hasher: &mut SipHasher24, name: &[u8]) {
    for part in name.chunks(32) {
        let mut octets = [0; 32];
        if let Some(lower) = octets.get_mut(..part.len()) {
            lower.copy_from_slice(part);
            lower.make_ascii_lowercase();
            hasher.write(lower);
        }
    }
}

impl UserHash {
    /// Of a name, in which letters of ASCII are the same in both cases.
    #[must_use]
    pub fn of(key: &Key, user: &[u8]) -> Self {
        let mut hasher = key.hasher();
        hasher.write_u8(USER);
        write_name(&mut hasher, user);
        Self(hasher.finish())
    }
}

impl Digest {
    /// Of a user's secret, right or wrong.
    #[must_use]
    pub fn of(key: &Key, user: &[u8], secret: &[u8]) -> Self {
        let mut hasher = key.hasher();
        hasher.write_u8(SECRET);
        write_name(&mut hasher, user);
        hasher.write_u8(0);
        hasher.write(secret);
        Self((hasher.finish() >> 52) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_both_cases() {
        let key = Key([7; 16]);
        assert_eq!(UserHash::of(&key, b"Alice"), UserHash::of(&key, b"alice"));
        assert_ne!(UserHash::of(&key, b"alice"), UserHash::of(&key, b"alicf"));
        assert_ne!(UserHash::of(&key, b"alice"), UserHash::of(&Key([8; 16]), b"alice"));
        assert_eq!(Digest::of(&key, b"Alice", b"x"), Digest::of(&key, b"alice", b"x"));
        assert_ne!(Digest::of(&key, b"alice", b"x"), Digest::of(&key, b"alice", b"X"));
        assert!(Digest::of(&key, b"alice", b"x").0 < 1 << 12);
    }

    #[test]
    fn however_long_a_name_is_it_is_one_hash() {
        let key = Key([7; 16]);
        let name: std::vec::Vec<u8> = (0..100).collect();
        for length in [0, 1, 7, 31, 32, 33, 64, 100] {
            let mut hasher = key.hasher();
            hasher.write_u8(USER);
            hasher.write(&name[..length].to_ascii_lowercase());
            assert_eq!(UserHash::of(&key, &name[..length]), UserHash(hasher.finish()), "{length}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(std::format!("{:?}", Key([1; 16])), "[key]");
    }
}
