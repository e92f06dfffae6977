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
        self.octets.extend_from_slice(octets);
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

#[cfg(test)]
mod tests {
    use super::*;

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
