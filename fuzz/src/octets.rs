//! Octets that can be read when a check fails.

use std::fmt;

/// Octets, shown as text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl Extend<u8> for Octets {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, octets: I) {
        self.0.extend(octets);
    }
}
