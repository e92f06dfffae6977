//! Session tickets: all state of a resumable session is with the client, sealed.
//!
//! The keys come from the listener, the same for all engines, so a session that
//! began at one can be resumed at another. A key seals for one turn and opens for
//! one more; then it is forgotten, and with it what it sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// How long a key seals.
pub const TURN: Duration = Duration::from_secs(6 * 60 * 60);

/// The current key and the one before.
#[derive(Default)]
pub(super) struct Tickets {
    keys: RwLock<[Option<RandomizedNonceKey>; 2]>,
}

impl Tickets {
    /// Begins a turn with a new key.
    pub(super) fn turn(&self, key: &[u8; 32]) {
        if let Ok(key) = RandomizedNonceKey::new(&AES_256_GCM, key) {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let [current, _] = std::mem::take(&mut *keys);
            *keys = [Some(key), current];
        }
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // What a ticket from the end of a turn is good for.
        u32::try_from(TURN.as_secs()).unwrap_or(0)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut sealed = plain.to_vec();
        let nonce = keys[0].as_ref()?.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        sealed.extend_from_slice(nonce.as_ref());
        Some(sealed)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let (sealed, nonce) = ticket.split_at_checked(ticket.len().checked_sub(NONCE_LEN)?)?;
        keys.iter().flatten().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut opened = sealed.to_vec();
            let length = key.open_in_place(nonce, Aad::empty(), &mut opened).ok()?.len();
            opened.truncate(length);
            Some(opened)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_for_one_more_turn_and_no_longer() {
        let tickets = Tickets::default();
        assert_eq!(tickets.encrypt(b"state"), None);
        tickets.turn(&[1; 32]);
        let ticket = tickets.encrypt(b"state").unwrap();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"state");
        tickets.turn(&[2; 32]);
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"state");
        tickets.turn(&[3; 32]);
        assert_eq!(tickets.decrypt(&ticket), None);
    }

    #[test]
    fn engines_with_the_same_key_open_each_others() {
        let (one, other) = (Tickets::default(), Tickets::default());
        one.turn(&[1; 32]);
        other.turn(&[1; 32]);
        let ticket = one.encrypt(b"state").unwrap();
        assert_eq!(other.decrypt(&ticket).unwrap(), b"state");
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let tickets = Tickets::default();
        tickets.turn(&[1; 32]);
        let ticket = tickets.encrypt(b"state").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
            assert_eq!(tickets.decrypt(&ticket[..at]), None);
        }
    }
}
