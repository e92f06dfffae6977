//! How messages are written: a kind, numbers with their first octet first, and what has
//! something behind it with its length before it.

use crate::ucspi_tls::Tls;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Writes a message.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// One of this kind.
    pub(super) fn new(kind: u8) -> Self {
        Self::with_room(kind, 15)
    }

    /// One of this kind that holds a secret, with room for so much behind it: growing would
    /// leave copies behind.
    pub(super) fn with_room(kind: u8, room: usize) -> Self {
        let mut octets = Vec::with_capacity(1 + room);
        octets.push(kind);
        Self(octets)
    }

    pub(super) fn octet(mut self, octet: u8) -> Self {
        self.0.push(octet);
        self
    }

    pub(super) fn short(self, number: u16) -> Self {
        self.octets(&number.to_be_bytes())
    }

    pub(super) fn number(self, number: u32) -> Self {
        self.octets(&number.to_be_bytes())
    }

    pub(super) fn long(self, number: u64) -> Self {
        self.octets(&number.to_be_bytes())
    }

    pub(super) fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    pub(super) fn counted(self, octets: &[u8]) -> Self {
        // No count here comes near the limit of a message, let alone of 32 bits.
        self.number(u32::try_from(octets.len()).unwrap_or(u32::MAX)).octets(octets)
    }

    pub(super) fn each_counted(self, all: &[Vec<u8>]) -> Self {
        all.iter().fold(self, |writer, one| writer.counted(one))
    }

    pub(super) fn address(self, address: SocketAddr) -> Self {
        let written = match address.ip() {
            IpAddr::V4(ip) => self.octet(4).octets(&ip.octets()),
            IpAddr::V6(ip) => self.octet(6).octets(&ip.octets()),
        };
        written.short(address.port())
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Something that stands in a message.
pub(super) trait Field: Sized {
    fn write(&self, writer: Writer) -> Writer;
    /// `None` where it is not there.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// A connection, an engine, a dialog.
impl Field for u64 {
    fn write(&self, writer: Writer) -> Writer {
        writer.long(*self)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.long()
    }
}

/// At the end of a message, where there may be none.
impl Field for Option<u64> {
    fn write(&self, writer: Writer) -> Writer {
        self.iter().fold(writer, |writer, number| writer.long(*number))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.is_at_end() { Some(None) } else { reader.long().map(Some) }
    }
}

/// To the end of a message.
impl Field for Vec<u8> {
    fn write(&self, writer: Writer) -> Writer {
        writer.octets(self)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(reader.rest().to_vec())
    }
}

/// The same.
impl Field for String {
    fn write(&self, writer: Writer) -> Writer {
        writer.octets(self.as_bytes())
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.text()
    }
}

/// The messages of one side of a channel: of each, the octet that it begins with, and what stands
/// behind that, as its type has it or `as` a module has it.
macro_rules! messages {
    ($(#[$about:meta])* $side:ident: $(
        $(#[$meaning:meta])*
        $kind:literal $message:ident $(($($field:ident: $of:ty $(as $how:ident)?),+))?,
    )*) => {
        $(#[$about])*
        #[derive(Debug, PartialEq, Eq)]
        pub enum $side {
            $($(#[$meaning])* $message $(($($of),+))?,)*
        }

        impl $side {
            /// As octets.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                let writer = match self {
                    $(Self::$message $(($($field),+))? => {
                        let writer = Writer::new($kind);
                        $($(let writer = messages!(@write writer, $field $(, $how)?);)+)?
                        writer
                    })*
                };
                writer.done()
            }

            /// From octets; `None` when they are no message.
            #[must_use]
            pub fn decode(octets: &[u8]) -> Option<Self> {
                wire::message(octets, |kind, reader| {
                    Some(match kind {
                        $($kind => Self::$message $(($(messages!(@read reader, $of $(, $how)?)),+))?,)*
                        _ => return None,
                    })
                })
            }
        }
    };
    (@write $writer:ident, $field:ident) => { $field.write($writer) };
    (@write $writer:ident, $field:ident, $how:ident) => { $how::write($field, $writer) };
    (@read $reader:ident, $of:ty) => { <$of as Field>::read($reader)? };
    (@read $reader:ident, $of:ty, $how:ident) => { $how::read($reader)? };
}
pub(super) use messages;

/// Reads a whole message by its kind; what does not read to its last octet is `None`.
pub(super) fn message<T>(
    octets: &[u8],
    read: impl FnOnce(u8, &mut Reader<'_>) -> Option<T>,
) -> Option<T> {
    let mut reader = Reader(octets);
    let kind = reader.octet()?;
    let message = read(kind, &mut reader)?;
    reader.is_at_end().then_some(message)
}

/// Reads what is in a message; what is not there is `None`.
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

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.take::<1>().map(|[octet]| octet)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.octet()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn tls(&mut self) -> Option<Tls> {
        Tls::from_octet(self.octet()?)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.rest().to_vec()).ok()
    }

    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.slice(usize::try_from(count).ok()?)
    }

    pub(super) fn each_counted(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        while !self.is_at_end() {
            all.push(self.counted()?.to_vec());
        }
        Some(all)
    }

    pub(super) fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.octet()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.take::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.take::<16>()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.short()?))
    }
}
