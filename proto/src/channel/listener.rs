//! The listener and the monitor: who is connected, and what became of it.

use super::wire::{self, Field, Reader, Writer, messages};
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

messages! {
    /// From the listener to the monitor.
    ToMonitor:
    /// With the two ends of a pipe, to read and to write: what programs behind logins write
    /// to descriptor 2. It comes first.
    b'w' Words,
    /// With a channel to it, and a handle to its process: an engine.
    b'e' Engine(engine: EngineId),
    /// The engine has ended.
    b'd' EngineEnded(engine: EngineId),
    /// A client of the engine's begins to log in.
    b'l' LogsIn(id: ConnectionId, engine: EngineId, client: Client),
    /// No engine has the connection any more.
    b'x' Closed(id: ConnectionId),
    /// An earlier monitor, which has died, began this session, which the engine has; none:
    /// it has ended meanwhile.
    b'i' Inherits(id: ConnectionId, engine: Option<EngineId>),
    /// Control files are to be read again.
    b'h' Reload,
    /// Whether it still does its work; the answer is [`FromMonitor::Ready`].
    b'a' Answer,
    /// There will be no listener any more.
    b's' StayBehind,
}

messages! {
    /// From the monitor to the listener.
    FromMonitor:
    /// It does its work.
    b'r' Ready,
    /// It cannot start; why.
    b'!' Broken(why: String),
    /// The connection's password is looked at.
    b'c' Checking(id: ConnectionId),
    /// The login was refused, or not tried; the client may try again.
    b'n' Refused(id: ConnectionId),
    /// The client has logged in.
    b'y' LoggedIn(id: ConnectionId),
    /// Nothing of the connection runs any more.
    b'o' Over(id: ConnectionId),
    /// The engine says what no honest one would, or can say nothing, as its channel was lost: it is
    /// to be ended.
    b'h' Dishonest(engine: EngineId),
}

impl Field for Client {
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
