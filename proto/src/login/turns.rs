//! Whose login is tried next, where more are asked for than may be tried at once: one
//! network after another, so that whoever asks for many waits behind himself.
//!
//! Knows numbers and networks. Whoever drives it starts and ends what has its turn, and
//! takes out who does not wait any more.

use crate::network::{IPV6_CUSTOMER, customer};
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

/// The network that an address is of: one IPv4 address, or an IPv6 /64.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    customer(address.to_canonical(), IPV6_CUSTOMER)
}

/// Who has his turn, and who waits for it.
#[derive(Debug)]
pub struct Turns<T> {
    most: usize,
    taken: usize,
    /// Networks of which somebody waits, the next one first.
    networks: VecDeque<IpAddr>,
    waiting: BTreeMap<IpAddr, VecDeque<T>>,
}

impl<T: PartialEq> Turns<T> {
    /// With turns for so many at once.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, taken: 0, networks: VecDeque::new(), waiting: BTreeMap::new() }
    }

    /// Has somebody wait for his turn.
    pub fn wait(&mut self, address: IpAddr, who: T) {
        let network = network(address);
        let waiting = self.waiting.entry(network).or_default();
        if waiting.is_empty() {
            self.networks.push_back(network);
        }
        waiting.push_back(who);
    }

    /// Gives the next turn, if there is one to be had and somebody waits. It is to be
    /// given [`back`](Self::give_back).
    pub fn take(&mut self) -> Option<T> {
        if self.taken >= self.most {
            return None;
        }
        let network = self.networks.pop_front()?;
        let waiting = self.waiting.get_mut(&network)?;
        let who = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&network);
        } else {
            self.networks.push_back(network);
        }
        self.taken += 1;
        Some(who)
    }

    /// Somebody has had his turn.
    pub const fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Whether somebody waits who can have his turn.
    #[must_use]
    pub fn are_free(&self) -> bool {
        self.taken < self.most && !self.networks.is_empty()
    }

    /// Whether somebody waits who cannot have his turn.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.taken >= self.most && !self.networks.is_empty()
    }

    /// Takes out who does not wait any more.
    pub fn leave(&mut self, address: IpAddr, who: &T) {
        let network = network(address);
        let Some(waiting) = self.waiting.get_mut(&network) else { return };
        waiting.retain(|one| one != who);
        if waiting.is_empty() {
            self.waiting.remove(&network);
            self.networks.retain(|one| *one != network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_after_another() {
        let mut turns = Turns::new(1);
        let (greedy, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for number in 0..4 {
            turns.wait(greedy, number);
        }
        for number in 10..12 {
            turns.wait(other, number);
        }
        let mut order = vec![];
        while let Some(who) = turns.take() {
            order.push(who);
            assert_eq!(turns.take(), None, "one at a time");
            turns.give_back();
        }
        assert_eq!(order, [0, 10, 1, 11, 2, 3]);
        assert!(!turns.is_short());
    }

    #[test]
    fn an_ipv6_customer_is_one() {
        let mut turns = Turns::new(1);
        for (at, who) in [("2001:db8::1", 1), ("2001:db8::ffff:2", 2), ("2001:db8:0:1::1", 3)] {
            turns.wait(address(at), who);
        }
        let order: Vec<_> = core::iter::from_fn(|| {
            let who = turns.take();
            turns.give_back();
            who
        })
        .collect();
        assert_eq!(order, [1, 3, 2]);
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn who_leaves_gets_no_turn_and_keeps_nobody_waiting() {
        let mut turns = Turns::new(1);
        let at = address("192.0.2.1");
        turns.wait(at, 1);
        turns.wait(at, 2);
        assert!(turns.are_free());
        assert_eq!(turns.take(), Some(1));
        assert!(turns.is_short() && !turns.are_free());
        turns.leave(at, &2);
        assert!(!turns.is_short());
        turns.give_back();
        assert_eq!(turns.take(), None);
        turns.wait(at, 3);
        assert_eq!(turns.take(), Some(3));
    }
}
