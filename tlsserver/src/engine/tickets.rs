//! Session tickets: all state of a resumable session is with the client, sealed.
//!
//! Each engine has keys of its own, which nobody else ever knows: whoever takes one over
//! can open what it sealed, and no other's. The price is that a session is resumed only
//! where the client happens to meet the same engine again. A key seals for one turn and
//! opens for one more; then it is forgotten, and with it what it sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// How long a key seals.
const TURN: Duration = Duration::from_secs(6 * 60 * 60);

/// The current key and the one before; without any there are no tickets.
#[derive(Default)]
pub(super) struct Tickets {
    keys: RwLock<[Option<RandomizedNonceKey>; 2]>,
}

impl Tickets {
    /// Takes turns for ever, from the second on.
    pub(super) async fn take_turns(&self) {
        loop {
            sleep(TURN).await;
            self.turn();
        }
    }

    /// Begins a turn with a new key. Without random octets the old one stays.
    pub(super) fn turn(&self) {
        let mut key = Zeroizing::new([0; 32]);
        let filled = aws_lc_rs::rand::fill(&mut *key);
        let key = filled.and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &*key));
        if let Ok(key) = key {
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
        self.keys.read().unwrap_or_else(PoisonError::into_inner)[0].is_some()
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
        assert!(!tickets.enabled());
        assert_eq!(tickets.encrypt(b"state"), None);
        tickets.turn();
        assert!(tickets.enabled());
        let ticket = tickets.encrypt(b"state").unwrap();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"state");
        tickets.turn();
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"state");
        tickets.turn();
        assert_eq!(tickets.decrypt(&ticket), None);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_taken_by_the_clock() {
        let tickets = std::sync::Arc::new(Tickets::default());
        tickets.turn();
        let ticket = tickets.encrypt(b"state").unwrap();
        let turning = tickets.clone();
        tokio::spawn(async move { turning.take_turns().await });
        sleep(2 * TURN - Duration::from_secs(1)).await;
        assert_eq!(tickets.decrypt(&ticket).unwrap(), b"state");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(tickets.decrypt(&ticket), None);
        assert!(tickets.enabled());
    }

    #[test]
    fn engines_do_not_open_each_others() {
        let (one, other) = (Tickets::default(), Tickets::default());
        one.turn();
        other.turn();
        let ticket = one.encrypt(b"state").unwrap();
        assert_eq!(other.decrypt(&ticket), None);
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let tickets = Tickets::default();
        tickets.turn();
        let ticket = tickets.encrypt(b"state").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
            assert_eq!(tickets.decrypt(&ticket[..at]), None);
        }
    }
}
