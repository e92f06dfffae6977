//! The listener and the monitor: who is connected, and what became of it.

use super::wire::{self, Reader, Writer};
use super::{ConnectionId, EngineId};
use crate::ucspi_tls::Tls;
use crate::variables::Variables;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A client that begins to log in, as the listener knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub remote: SocketAddr,
    /// The address that it came to.
    pub local: SocketAddr,
    /// What the rules add to its programs' environment.
    pub added: Variables,
    /// What its greeting has of this session.
    pub timestamp: Vec<u8>,
    /// What of TLS it was offered at its beginning. [`Tls::On`]: with the first octet.
    pub tls: Tls,
    /// Milliseconds until it must have logged in.
    pub left: u64,
}

/// From the listener to the monitor.
#[derive(Debug, PartialEq, Eq)]
pub enum ToMonitor {
    /// With the two ends of a pipe, to read and to write: what programs behind logins write
    /// to descriptor 2. It comes first.
    Words,
    /// With a channel to it, and a handle to its process: an engine.
    Engine(EngineId),
    /// The engine has ended.
    EngineEnded(EngineId),
    /// A client of the engine's begins to log in.
    LogsIn(ConnectionId, EngineId, Client),
    /// No engine has the connection any more.
    Closed(ConnectionId),
    /// An earlier monitor, which has died, began this session, which the engine has; none:
    /// it has ended meanwhile.
    Inherits(ConnectionId, Option<EngineId>),
    /// Control files are to be read again.
    Reload,
    /// Whether it still does its work; the answer is [`FromMonitor::Ready`].
    Answer,
    /// There will be no listener any more.
    StayBehind,
}

/// From the monitor to the listener.
#[derive(Debug, PartialEq, Eq)]
pub enum FromMonitor {
    /// It does its work.
    Ready,
    /// It cannot start; why.
    Broken(String),
    /// The connection's password is looked at.
    Checking(ConnectionId),
    /// The login was refused, or not tried; the client may try again.
    Refused(ConnectionId),
    /// The client has logged in.
    LoggedIn(ConnectionId),
    /// Nothing of the connection runs any more.
    Over(ConnectionId),
    /// The engine says what no honest one would, or can say nothing, as its channel was lost: it is
    /// to be ended.
    Dishonest(EngineId),
}

impl Client {
    fn write(&self, mut writer: Writer) -> Writer {
        writer = writer.address(self.remote).address(self.local);
        writer = writer.octet(self.tls.octet()).long(self.left).counted(&self.timestamp);
        self.added.iter().fold(writer, |writer, (name, value)| writer.counted(name).counted(value))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (remote, local) = (reader.address()?, reader.address()?);
        let (tls, left) = (reader.tls()?, reader.long()?);
        let timestamp = reader.counted()?.to_vec();
        let mut added = Variables::new();
        while !reader.is_at_end() {
            added.push((reader.counted()?.to_vec(), reader.counted()?.to_vec()));
        }
        Some(Self { remote, local, added, timestamp, tls, left })
    }
}

impl ToMonitor {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Words => Writer::new(b'w'),
            Self::Engine(engine) => Writer::new(b'e').long(*engine),
            Self::EngineEnded(engine) => Writer::new(b'd').long(*engine),
            Self::LogsIn(id, engine, client) => {
                client.write(Writer::new(b'l').long(*id).long(*engine))
            }
            Self::Closed(id) => Writer::new(b'x').long(*id),
            Self::Inherits(id, engine) => engine
                .iter()
                .fold(Writer::new(b'i').long(*id), |writer, engine| writer.long(*engine)),
            Self::Reload => Writer::new(b'h'),
            Self::Answer => Writer::new(b'a'),
            Self::StayBehind => Writer::new(b's'),
        }
        .done()
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        wire::message(octets, |kind, reader| {
            Some(match kind {
                b'w' => Self::Words,
                b'e' => Self::Engine(reader.long()?),
                b'd' => Self::EngineEnded(reader.long()?),
                b'l' => Self::LogsIn(reader.long()?, reader.long()?, Client::read(reader)?),
                b'x' => Self::Closed(reader.long()?),
                b'i' => Self::Inherits(
                    reader.long()?,
                    if reader.is_at_end() { None } else { Some(reader.long()?) },
                ),
                b'h' => Self::Reload,
                b'a' => Self::Answer,
                b's' => Self::StayBehind,
                _ => return None,
            })
        })
    }
}

impl FromMonitor {
    /// As octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready => Writer::new(b'r'),
            Self::Broken(why) => Writer::new(b'!').octets(why.as_bytes()),
            Self::Checking(id) => Writer::new(b'c').long(*id),
            Self::Refused(id) => Writer::new(b'n').long(*id),
            Self::LoggedIn(id) => Writer::new(b'y').long(*id),
            Self::Over(id) => Writer::new(b'o').long(*id),
            Self::Dishonest(engine) => Writer::new(b'h').long(*engine),
        }
        .done()
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        wire::message(octets, |kind, reader| {
            Some(match kind {
                b'r' => Self::Ready,
                b'!' => Self::Broken(reader.text()?),
                b'c' => Self::Checking(reader.long()?),
                b'n' => Self::Refused(reader.long()?),
                b'y' => Self::LoggedIn(reader.long()?),
                b'o' => Self::Over(reader.long()?),
                b'h' => Self::Dishonest(reader.long()?),
                _ => return None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn every_message_reads_back() {
        let client = Client {
            remote: "192.0.2.7:4321".parse().unwrap(),
            local: "[2001:db8::1]:587".parse().unwrap(),
            added: vec![(b"RELAYCLIENT".to_vec(), b"".to_vec()), (b"A".to_vec(), b"b\n".to_vec())],
            timestamp: b"<1.2@h>".to_vec(),
            tls: Tls::Required,
            left: 599_999,
        };
        let plain = Client { added: vec![], timestamp: vec![], tls: Tls::On, ..client.clone() };
        for message in [
            ToMonitor::Words,
            ToMonitor::Engine(1),
            ToMonitor::EngineEnded(u64::MAX),
            ToMonitor::LogsIn(7, 1, client),
            ToMonitor::LogsIn(8, 2, plain),
            ToMonitor::Closed(7),
            ToMonitor::Inherits(7, Some(1)),
            ToMonitor::Inherits(7, None),
            ToMonitor::Reload,
            ToMonitor::Answer,
            ToMonitor::StayBehind,
        ] {
            assert_eq!(ToMonitor::decode(&message.encode()), Some(message));
        }
        for message in [
            FromMonitor::Ready,
            FromMonitor::Broken("no such program".into()),
            FromMonitor::Checking(7),
            FromMonitor::Refused(7),
            FromMonitor::LoggedIn(7),
            FromMonitor::Over(7),
            FromMonitor::Dishonest(1),
        ] {
            assert_eq!(FromMonitor::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for octets in [&b""[..], b"?", b"r ", b"x\0", b"l", b"e\0\0\0\0\0\0\0\x01\0", b"!\xff"] {
            assert_eq!(ToMonitor::decode(octets), None, "{octets:?}");
            assert_eq!(FromMonitor::decode(octets), None, "{octets:?}");
        }
    }
}
