//! Bytes that must not be seen: passwords and what holds them on their way.
//!
//! The one type for secrets. It never prints what it holds, cannot be cloned or
//! compared, and is wiped when it goes. It does not lock memory: that is for the
//! process, see `unix::process::keep_out_of_core_files`.

use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// A secret: wiped when dropped, and never printed.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// An empty secret that can take `capacity` octets without moving, so that
    /// growing leaves no copy behind.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// The octets themselves. Whoever calls this keeps them out of logs and errors.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Appends `bytes` if they fit the capacity; says whether they did.
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let fits = self.0.capacity() - self.0.len() >= bytes.len();
        if fits {
            self.0.extend_from_slice(bytes);
        }
        fits
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn is_never_printed() {
        let secret = Secret::from(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?} {secret:#?}"), "[secret] [secret]");
    }

    #[test]
    fn takes_no_more_than_its_capacity() {
        let mut secret = Secret::with_capacity(4);
        assert!(secret.append(b"four"));
        assert!(!secret.append(b"!"));
        assert_eq!(secret.expose(), b"four");
    }
}
