//! What blocklistd is told of a login: the datagram that NetBSD's libblocklist
//! sends. It travels on one machine, so its numbers are in the machine's order.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// The protocol's version.
const VERSION: u32 = 1;
/// The size of the system's `struct sockaddr_storage`.
const ADDRESS: usize = 128;
/// Octets before the address: length, version, type, length of the address.
const HEADER: usize = 16;
/// The families' numbers.
const INET: u8 = 2;
const INET6: u8 = if cfg!(target_os = "linux") {
    10
} else if cfg!(target_os = "freebsd") {
    28
} else {
    24
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A login failed.
    Add = 1,
    /// A login was good.
    Delete = 2,
}

/// The datagram: `peer` is the client's address with the port that it came to.
#[must_use]
pub fn datagram(action: Action, peer: SocketAddr, text: &str) -> Vec<u8> {
    let address = socket_address(peer);
    let length = HEADER + ADDRESS + text.len();
    let mut datagram = Vec::with_capacity(length);
    for number in [length, VERSION as usize, action as usize, address.len()] {
        datagram.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes());
    }
    datagram.extend_from_slice(&address);
    datagram.resize(HEADER + ADDRESS, 0);
    datagram.extend_from_slice(text.as_bytes());
    datagram
}

/// `struct sockaddr_in` or `sockaddr_in6`.
fn socket_address(peer: SocketAddr) -> Vec<u8> {
    let (family, length) = if peer.is_ipv4() { (INET, 16_u8) } else { (INET6, 28) };
    let mut address = Vec::with_capacity(length.into());
    if cfg!(target_os = "linux") {
        address.extend_from_slice(&u16::from(family).to_ne_bytes());
    } else {
        address.extend_from_slice(&[length, family]);
    }
    address.extend_from_slice(&peer.port().to_be_bytes());
    match peer.ip() {
        IpAddr::V4(ip) => address.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => {
            address.extend_from_slice(&[0; 4]);
            address.extend_from_slice(&ip.octets());
        }
    }
    address.resize(length.into(), 0);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d35_an_ipv4_address() {
        let peer = SocketAddr::from(([192, 0, 2, 7], 587));
        let datagram = datagram(Action::Add, peer, "authup");
        let mut expected = Vec::new();
        for number in [16 + 128 + 6_u32, 1, 1, 16] {
            expected.extend_from_slice(&number.to_ne_bytes());
        }
        if cfg!(target_os = "linux") {
            expected.extend_from_slice(&2_u16.to_ne_bytes());
        } else {
            expected.extend_from_slice(&[16, 2]);
        }
        expected.extend_from_slice(&[2, 75, 192, 0, 2, 7]);
        expected.resize(16 + 128, 0);
        expected.extend_from_slice(b"authup");
        assert_eq!(datagram, expected);
    }

    #[test]
    fn d35_an_ipv6_address() {
        let ip: IpAddr = "2001:db8::7".parse().unwrap();
        let datagram = datagram(Action::Delete, SocketAddr::new(ip, 110), "");
        assert_eq!(datagram.len(), 16 + 128);
        assert_eq!(datagram[8..16], [2_u32.to_ne_bytes(), 28_u32.to_ne_bytes()].concat());
        assert_eq!(datagram[18..20], [0, 110]);
        assert_eq!(datagram[24..40], [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }
}
