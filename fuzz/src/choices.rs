//! The fuzzer's octets, taken as choices.
//!
//! Choices come first and one octet each, and the octets that the code under test gets
//! come behind them as they are: so seeds can be read, and a small change of an input is
//! a small change of the situation.

/// Octets not yet taken.
#[derive(Debug, Clone, Copy)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of an input.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// The next octet; 0 behind the end.
    pub fn octet(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::from(self.octet()) % all.len()].clone()
    }

    /// The octets up to the next 0xFF, which is taken, too; or all that are left.
    pub fn part(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&octet| octet == 0xFF);
        let part = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or(&[], |end| &self.0[end + 1..]);
        part
    }

    /// The octets that are left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }
}
