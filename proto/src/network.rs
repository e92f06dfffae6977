//! Networks: an IP address, and how many of its leading bits count.
//!
//! Called by servers: for which of their peers count as one, and for whom they believe.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bits of an IPv6 address that one customer usually has for himself (RFC 6177).
pub const IPV6_CUSTOMER: u8 = 64;

/// All addresses that begin like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// With zeros behind the prefix.
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network that an address is in, of this many bits; all of them where there are
    /// not so many.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(four) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let first = Ipv4Addr::from_bits(four.to_bits() & mask).into();
                Self { first, prefix }
            }
            IpAddr::V6(six) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let first = Ipv6Addr::from_bits(six.to_bits() & mask).into();
                Self { first, prefix }
            }
        }
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::of(address, self.prefix).first == self.first
    }

    /// Reads `ADDRESS` or `ADDRESS/BITS`; `None` where it is neither, or where bits behind
    /// the prefix are set, which is a slip more often than meant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = address_and_prefix(text)?;
        Some(Self::of(address, prefix)).filter(|network| network.first == address)
    }

    /// Whether it is all of IPv4, or of IPv6.
    #[must_use]
    pub const fn is_everybody(&self) -> bool {
        self.prefix == 0
    }
}

/// Reads `ADDRESS` or `ADDRESS/BITS`; without bits, as many as there are. An IPv4 network in
/// IPv6's form (RFC 4291, section 2.5.5.2) is the IPv4 one, as its clients' addresses are.
#[must_use]
pub fn address_and_prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok())?;
    match address.to_canonical() {
        four @ IpAddr::V4(_) if address.is_ipv6() && (96..=128).contains(&prefix) => {
            Some((four, prefix - 96))
        }
        _ => (prefix <= most).then_some((address, prefix)),
    }
}

/// What stands for all addresses of one who has an IPv6 network of so many bits: its first
/// address; of an IPv4 address, that itself.
#[must_use]
pub fn customer(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => Network::of(address, ipv6_prefix).first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_contain_what_begins_like_them() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::ffff:192.0.2.0/120", "192.0.2.255", "192.0.3.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.7"),
        ] {
            let read = Network::parse(network).unwrap();
            assert!(read.contains(address(inside)), "{network} {inside}");
            assert!(!read.contains(address(outside)), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "here", "192.0.2", "192.0.2.7/33", "192.0.2.7/24", "192.0.2.0/", "::1/129"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn one_customer_is_one() {
        let one = customer(address("2001:db8::1"), IPV6_CUSTOMER);
        assert_eq!(one, customer(address("2001:db8::ffff:1:2:3"), IPV6_CUSTOMER));
        assert_ne!(one, customer(address("2001:db8:0:1::1"), IPV6_CUSTOMER));
        assert_eq!(one, customer(address("2001:db8:0:1::1"), 48));
        assert_eq!(customer(address("192.0.2.7"), 8), address("192.0.2.7"));
    }
}
