//! Octets on their way out.

use alloc::vec::Vec;

/// A queue of octets. It does not bound itself: whoever fills it asks first
/// whether it has room.
#[derive(Default)]
pub struct Outbox {
    octets: Vec<u8>,
    sent: usize,
}

/// From so many octets on, nothing more is begun for this side.
pub(super) const HIGH_WATER: usize = 16 * 1024;

impl Outbox {
    /// What is to be sent.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.octets.get(self.sent..).unwrap_or_default()
    }

    /// Whether all is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unsent().is_empty()
    }

    /// So many octets have been sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.is_empty() {
            self.clear();
        } else if self.sent >= HIGH_WATER {
            // Or a reader who never quite catches up would have all of it kept.
            self.octets.drain(..self.sent.min(self.octets.len()));
            self.sent = 0;
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unsent().len() < HIGH_WATER
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        append(&mut self.octets, octets);
    }

    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.sent = 0;
    }

    /// A mark for [`Outbox::since`].
    pub(super) fn mark(&self) -> usize {
        self.octets.len()
    }

    pub(super) fn since(&self, mark: usize) -> &[u8] {
        self.octets.get(mark..).unwrap_or_default()
    }
}

/// Up to so many octets are copied a few at a time.
const SHORT: usize = 32;

/// Appends octets. What a line is put together of is a few each time, and musl's memcpy takes
/// longer to begin than such a piece takes: a fifth of the time that a command takes here.
pub(super) fn append(to: &mut Vec<u8>, octets: &[u8]) {
    if octets.len() > SHORT {
        return to.extend_from_slice(octets);
    }
    let (eights, mut rest) = octets.as_chunks::<8>();
    eights.iter().for_each(|eight| to.extend_from_slice(eight));
    if let Some((four, behind)) = rest.split_first_chunk::<4>() {
        to.extend_from_slice(four);
        rest = behind;
    }
    if let Some((two, behind)) = rest.split_first_chunk::<2>() {
        to.extend_from_slice(two);
        rest = behind;
    }
    to.extend(rest.first());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_of_any_number_are_appended_as_they_are() {
        let octets: Vec<u8> = (0..=99).collect();
        for length in 0..=octets.len() {
            let mut all = b"before".to_vec();
            append(&mut all, &octets[..length]);
            assert_eq!(all.strip_prefix(b"before"), Some(&octets[..length]));
        }
    }

    #[test]
    fn d16_what_is_sent_is_let_go_though_more_waits() {
        let mut outbox = Outbox::default();
        outbox.push(b"250 ok\r\n");
        for _ in 0..10_000 {
            outbox.push(b"250 ok\r\n");
            outbox.sent(8);
            assert_eq!(outbox.unsent(), b"250 ok\r\n");
        }
        assert!(outbox.octets.capacity() < 4 * HIGH_WATER, "{}", outbox.octets.capacity());
    }
}
