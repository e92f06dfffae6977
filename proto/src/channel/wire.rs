//! How messages are written: numbers with their first octet first, and what has
//! something behind it with its length before it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use zeroize::Zeroizing;

/// Writes a message.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// One of this kind, with room for so much: growing would leave copies behind.
    pub(super) fn new(kind: u8, room: usize) -> Self {
        let mut octets = Vec::with_capacity(1 + room);
        octets.push(kind);
        Self(Zeroizing::new(octets))
    }

    pub(super) fn long(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn octet(mut self, octet: u8) -> Self {
        self.0.push(octet);
        self
    }

    pub(super) fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    pub(super) fn counted(mut self, octets: &[u8]) -> Self {
        // No count here comes near the limit of a message, let alone of 32 bits.
        let count = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_be_bytes());
        self.octets(octets)
    }

    pub(super) fn address(self, address: SocketAddr) -> Self {
        let written = match address.ip() {
            IpAddr::V4(ip) => self.octet(4).octets(&ip.octets()),
            IpAddr::V6(ip) => self.octet(6).octets(&ip.octets()),
        };
        written.octets(&address.port().to_be_bytes())
    }

    pub(super) fn done(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads a message; what is not there is `None`.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        self.slice(COUNT)?.try_into().ok()
    }

    fn slice(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.take::<1>().map(|[octet]| octet)
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.rest().to_vec()).ok()
    }

    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let count = self.take().map(u32::from_be_bytes)?;
        self.slice(usize::try_from(count).ok()?)
    }

    pub(super) fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.octet()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.take::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.take::<16>()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.take().map(u16::from_be_bytes)?))
    }

    pub(super) fn end<T>(&self, message: T) -> Option<T> {
        self.0.is_empty().then_some(message)
    }
}
