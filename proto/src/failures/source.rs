//! Where a login comes from, and what a score is about.

use super::keyed_hash::UserHash;
use crate::escape::Escaped;
use crate::network::address_and_prefix;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address and how many of its bits count. The others are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Of IPv4.
    V4(Ipv4Addr, u8),
    /// Of IPv6. No more than its upper half counts.
    V6(Ipv6Addr, u8),
}

impl Prefix {
    /// The network of this length that an address is in. An IPv4 address written as an
    /// IPv6 one is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(v4.min(32))).unwrap_or(0);
                Self::V4(Ipv4Addr::from_bits(address.to_bits() & mask), v4)
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(v6.min(128))).unwrap_or(0);
                Self::V6(Ipv6Addr::from_bits(address.to_bits() & mask), v6)
            }
        }
    }

    /// The network that an address counts for: a /24 of IPv4, or a /48 of IPv6.
    #[must_use]
    pub fn network_of(address: IpAddr) -> Self {
        Self::of(address, 24, 48)
    }

    /// That of its addresses.
    pub(super) fn network(self) -> Self {
        Self::network_of(self.address())
    }

    /// How many bits count.
    #[must_use]
    pub const fn length(self) -> u8 {
        match self {
            Self::V4(_, length) | Self::V6(_, length) => length,
        }
    }

    /// The first eight octets.
    pub(super) const fn octets(self) -> [u8; 8] {
        match self {
            Self::V4(address, _) => (address.to_bits() as u64).rotate_left(32).to_be_bytes(),
            Self::V6(address, _) => ((address.to_bits() >> 64) as u64).to_be_bytes(),
        }
    }

    /// From those octets; `None` where one is set that does not count.
    pub(super) fn from_octets(octets: [u8; 8], length: u8, is_v4: bool) -> Option<Self> {
        let bits = u64::from_be_bytes(octets);
        let beyond = u64::MAX.checked_shr(length.into()).unwrap_or(0);
        (bits & beyond == 0).then(|| {
            if is_v4 {
                Self::V4(Ipv4Addr::from_bits((bits >> 32) as u32), length)
            } else {
                Self::V6(Ipv6Addr::from_bits(u128::from(bits) << 64), length)
            }
        })
    }
}

impl Prefix {
    /// Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/48`; of IPv6 no more than a /64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = address_and_prefix(text)?;
        Some(Self::of(address, length.min(32), length.min(64)))
    }

    /// Whether one of the two is in the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let length = self.length().min(other.length());
        let cut = |prefix: Self| Self::of(prefix.address(), length, length);
        self.address().is_ipv4() == other.address().is_ipv4() && cut(self) == cut(other)
    }

    const fn address(self) -> IpAddr {
        match self {
            Self::V4(address, _) => IpAddr::V4(address),
            Self::V6(address, _) => IpAddr::V6(address),
        }
    }
}

impl fmt::Display for Prefix {
    /// As `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/48`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address, 32) => write!(f, "{address}"),
            Self::V4(address, length) => write!(f, "{address}/{length}"),
            Self::V6(address, length) => write!(f, "{address}/{length}"),
        }
    }
}

/// What kind of thing a score is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One client: an IPv4 address, or a /64 of IPv6.
    Address,
    /// Its network: a /24 of IPv4, or a /48 of IPv6.
    Network,
    /// Its provider: a /32 of IPv6.
    Wide,
    /// A user.
    User,
    /// A user who has logged in from that network.
    KnownUser,
    /// A network from which anybody has logged in.
    AnybodyKnown,
}

/// What one score is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// [`Kind::Address`].
    Address(Prefix),
    /// [`Kind::Network`].
    Network(Prefix),
    /// [`Kind::Wide`].
    Wide(Prefix),
    /// [`Kind::User`].
    User(UserHash),
    /// [`Kind::KnownUser`].
    KnownUser(UserHash, Prefix),
    /// [`Kind::AnybodyKnown`].
    AnybodyKnown(Prefix),
}

impl About {
    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Address(_) => Kind::Address,
            Self::Network(_) => Kind::Network,
            Self::Wide(_) => Kind::Wide,
            Self::User(_) => Kind::User,
            Self::KnownUser(..) => Kind::KnownUser,
            Self::AnybodyKnown(_) => Kind::AnybodyKnown,
        }
    }

    /// Its network, if it is about one.
    #[must_use]
    pub const fn prefix(self) -> Option<Prefix> {
        match self {
            Self::Address(prefix)
            | Self::Network(prefix)
            | Self::Wide(prefix)
            | Self::KnownUser(_, prefix)
            | Self::AnybodyKnown(prefix) => Some(prefix),
            Self::User(_) => None,
        }
    }

    /// Its user, if it is about one.
    #[must_use]
    pub const fn user(self) -> Option<UserHash> {
        match self {
            Self::User(user) | Self::KnownUser(user, _) => Some(user),
            _ => None,
        }
    }
}

/// What there have been too many failures of, for the log; with the user's name.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a>(pub About, pub &'a [u8]);

impl fmt::Display for Named<'_> {
    /// As `192.0.2.7`, `2001:db8::/48`, `alice`, `alice from 192.0.2.0/24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = Escaped(self.1);
        match (self.0.user(), self.0.prefix()) {
            (None, None) => Ok(()),
            (None, Some(prefix)) => prefix.fmt(f),
            (Some(_), None) => user.fmt(f),
            (Some(_), Some(prefix)) => write!(f, "{user} from {prefix}"),
        }
    }
}

/// Where a login comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(IpAddr);

impl Source {
    /// An address: of the client, not of a load balancer before it.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0
    }

    pub(super) fn itself(self) -> About {
        About::Address(Prefix::of(self.0, 32, 64))
    }

    pub(super) fn network(self) -> About {
        About::Network(self.neighbours())
    }

    pub(super) fn wide(self) -> Option<About> {
        self.0.is_ipv6().then(|| About::Wide(Prefix::of(self.0, 32, 32)))
    }

    pub(super) fn known_user(self, user: UserHash) -> About {
        About::KnownUser(user, self.neighbours())
    }

    pub(super) fn anybody_known(self) -> About {
        About::AnybodyKnown(self.neighbours())
    }

    /// By the network, since phones and home lines get a new /64, or a neighbour's IPv4
    /// address, every other day.
    fn neighbours(self) -> Prefix {
        Prefix::network_of(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn networks_of_an_address() {
        for (address, itself, network, wide) in [
            ("192.0.2.77", "192.0.2.77", "192.0.2.0/24", None),
            ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24", None),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48", Some("2001:db8::/32")),
        ] {
            let source = Source::new(address.parse().unwrap());
            let shown = |about: About| about.prefix().unwrap().to_string();
            assert_eq!(shown(source.itself()), itself);
            assert_eq!(shown(source.network()), network);
            assert_eq!(source.wide().map(shown).as_deref(), wide);
        }
    }

    #[test]
    fn prefixes_that_overlap() {
        for (one, other, overlap) in [
            ("192.0.2.7", "192.0.2.0/24", true),
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.3.7", "192.0.2.0/24", false),
            ("0.0.0.0/0", "192.0.2.0/24", true),
            ("2001:db8::/32", "2001:db8:1:2:3::", true),
            ("::/0", "192.0.2.0/24", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
        ] {
            let [one, other] = [one, other].map(|text| Prefix::parse(text).unwrap());
            assert_eq!(one.overlaps(other), overlap, "{one} {other}");
        }
        assert_eq!(Prefix::parse("2001:db8:1:2:3::").unwrap().to_string(), "2001:db8:1:2::/64");
        assert_eq!(Prefix::parse("alice"), None);
    }

    #[test]
    fn a_prefix_reads_back_and_no_other() {
        for address in ["192.0.2.0", "2001:db8:1::"] {
            let address: IpAddr = address.parse().unwrap();
            let prefix = Prefix::of(address, 24, 48);
            let read = Prefix::from_octets(prefix.octets(), prefix.length(), address.is_ipv4());
            assert_eq!(read, Some(prefix));
        }
        assert_eq!(Prefix::from_octets([192, 0, 2, 1, 0, 0, 0, 0], 24, true), None);
        assert_eq!(Prefix::from_octets([192, 0, 2, 0, 1, 0, 0, 0], 24, true), None);
        assert_eq!(Prefix::from_octets([0x20, 1, 0, 0, 0, 0, 1, 0], 48, false), None);
    }
}
