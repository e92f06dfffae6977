//! What a client has said and nobody has taken yet. A password may be among it, so
//! nothing of it stays behind where it was.

use zeroize::{Zeroize, Zeroizing};

/// The octets, in their order.
#[derive(Default)]
pub(super) struct Unread(Zeroizing<Vec<u8>>);

impl Unread {
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends. Where there is no room, the old place is wiped.
    pub(super) fn append(&mut self, octets: &[u8]) {
        let length = self.0.len() + octets.len();
        if length > self.0.capacity() {
            let mut longer = Zeroizing::new(Vec::with_capacity(length));
            longer.extend_from_slice(&self.0);
            self.0 = longer;
        }
        self.0.extend_from_slice(octets);
    }

    /// Takes so much from the front.
    pub(super) fn take(&mut self, count: usize) {
        let count = count.min(self.0.len());
        let rest = self.0.len() - count;
        self.0.copy_within(count.., 0);
        if let Some(left_behind) = self.0.get_mut(rest..) {
            left_behind.zeroize();
        }
        self.0.truncate(rest);
    }
}

impl From<&[u8]> for Unread {
    fn from(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_keep_their_order_however_they_come_and_go() {
        let mut unread = Unread::default();
        unread.append(b"one ");
        unread.append(b"two ");
        unread.take(2);
        unread.append(b"three");
        assert_eq!(unread.octets(), b"e two three");
        unread.take(0);
        unread.take(100);
        assert!(unread.is_empty());
    }
}
