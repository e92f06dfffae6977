//! The file's first 64 octets, and where everything else is.

use super::bucket::BUCKET;
use super::keyed_hash::Key;

/// Octets of the header.
pub const HEADER: usize = 64;
/// How many buckets there are.
pub const BUCKETS: u16 = 2048;
/// Octets of the whole file.
pub const FILE: u64 = HEADER as u64 + BUCKETS as u64 * BUCKET as u64;

const MAGIC: [u8; 8] = *b"\x89refused";
const VERSION: u8 = 1;

/// What the file's seconds count from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's start, for a file that does not outlive it. Nobody sets this clock.
    SinceBoot {
        /// That start's own number.
        boot: [u8; 16],
        /// The file's, where its file system is in memory: it is of this start as long
        /// as it is that file. Else 0.
        inode: u64,
    },
    /// 1970.
    Calendar,
}

/// The header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What seconds count from.
    pub clock: Clock,
    /// The hashes' key.
    pub key: Key,
}

impl Header {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut octets = [0; HEADER];
        let (clock, boot, inode) = match self.clock {
            Clock::SinceBoot { boot, inode } => (1, boot, inode),
            Clock::Calendar => (0, [0; 16], 0),
        };
        let parts: [(usize, &[u8]); 6] = [
            (0, &MAGIC),
            (8, &[VERSION, clock]),
            (10, &BUCKETS.to_le_bytes()),
            (16, &self.key.0),
            (32, &boot),
            (48, &inode.to_le_bytes()),
        ];
        for (at, part) in parts {
            if let Some(place) = octets.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        }
        octets
    }

    /// From octets; `None` where they are no header, or one of another version.
    #[must_use]
    pub fn decode(octets: &[u8; HEADER]) -> Option<Self> {
        let sixteen = |at: usize| octets.get(at..at + 16)?.try_into().ok();
        let clock = match octets.get(9)? {
            0 => Clock::Calendar,
            1 => Clock::SinceBoot {
                boot: sixteen(32)?,
                inode: u64::from_le_bytes(*octets.get(48..)?.first_chunk()?),
            },
            _ => return None,
        };
        let header = Self { clock, key: Key(sixteen(16)?) };
        (header.encode() == *octets).then_some(header)
    }

    /// Whether these octets begin such a file, of whatever version.
    #[must_use]
    pub fn is_begun_by(octets: &[u8]) -> bool {
        octets.starts_with(&MAGIC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_nothing_else_does() {
        for clock in [Clock::Calendar, Clock::SinceBoot { boot: [5; 16], inode: 7 }] {
            let header = Header { clock, key: Key(*b"0123456789abcdef") };
            let octets = header.encode();
            assert_eq!(Header::decode(&octets), Some(header.clone()));
            for at in 0..HEADER {
                let mut other = octets;
                other[at] ^= 0x55;
                assert_ne!(Header::decode(&other), Some(header.clone()), "octet {at}");
            }
            for at in [0, 7, 8, 9, 10, 12, 56, 63] {
                let mut other = octets;
                other[at] ^= 0x55;
                assert_eq!(Header::decode(&other), None, "octet {at}");
            }
        }
        assert_eq!(Header::decode(&[0; HEADER]), None);
        assert_eq!(FILE, 2 * 1024 * 1024 + 64);
    }
}
