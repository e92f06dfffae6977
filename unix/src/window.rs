//! Input that is at hand: read in large pieces, taken from the front.

use rustix::buffer::spare_capacity;
use std::io;
use std::os::fd::AsFd;

/// A buffer of fixed size. Its memory is taken with the first read, and used as far as input
/// fills it.
pub struct Window {
    /// Up to the last octet that was read; never more than `size`.
    octets: Vec<u8>,
    size: usize,
    /// Room that is worth moving what is held, and a read.
    least: usize,
    start: usize,
}

impl Window {
    /// A window that can hold so many octets, and counts as full as long as less than
    /// `least` of them are free: what is held is moved for that much, and not for a few.
    /// What it takes to go on, a whole line say, must fit beside them.
    #[must_use]
    pub fn new(size: usize, least: usize) -> Self {
        Self { octets: Vec::new(), size, least, start: 0 }
    }

    /// What is at hand.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    /// Whether no more can be read before some is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.octets.len() >= self.size && self.start < self.least
    }

    /// So many octets have been dealt with.
    pub fn take(&mut self, count: usize) {
        self.start += count.min(self.octets.len() - self.start);
        if self.start == self.octets.len() {
            self.clear();
        }
    }

    /// All has been dealt with, or is not wanted.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.start = 0;
    }

    /// Reads once, as much as there is room for. Returns how much: 0 is the end.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` and `Interrupted` among it.
    pub fn read(&mut self, descriptor: impl AsFd) -> io::Result<usize> {
        if self.octets.len() >= self.size {
            self.octets.drain(..self.start);
            self.start = 0;
        }
        // Once; from then on there is room for all of it.
        self.octets.reserve_exact(self.size.saturating_sub(self.octets.len()));
        Ok(rustix::io::read(descriptor, spare_capacity(&mut self.octets))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_not_taken_moves_to_the_front() {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        writer.write_all(b"abcdefgh").unwrap();
        let mut window = Window::new(4, 1);
        assert_eq!(window.read(&reader).unwrap(), 4);
        assert!(window.is_full());
        window.take(1);
        assert_eq!(window.read(&reader).unwrap(), 1);
        assert_eq!(window.octets(), b"bcde");
        window.take(4);
        assert!(window.octets().is_empty());
        assert_eq!(window.read(&reader).unwrap(), 3);
        drop(writer);
        assert_eq!(window.read(&reader).unwrap(), 0, "the end");
        assert_eq!(window.octets(), b"fgh");
    }

    #[test]
    fn a_few_free_octets_are_not_worth_moving_the_rest() {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        writer.write_all(b"abcdefghijkl").unwrap();
        let mut window = Window::new(8, 4);
        assert_eq!(window.read(&reader).unwrap(), 8);
        for _ in 0..4 {
            assert!(window.is_full());
            window.take(1);
        }
        assert!(!window.is_full());
        assert_eq!(window.read(&reader).unwrap(), 4);
        assert_eq!(window.octets(), b"efghijkl");
    }
}
