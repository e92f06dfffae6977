//! How sessions end: what went wrong, in the words of the log; what the listener may say
//! meanwhile; how the client's side ends, and how long that is waited for.
//!
//! What the engine's rooms share. It knows none of them.

use proto::channel::engine::FromEngine;
use proto::other_protocol::OtherProtocol;
use rustls::{Error, InvalidMessage, PeerIncompatible};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long to wait for the client's end after ours: closing earlier, with bytes
/// of the client unread, would make the system take back what we sent last. And how long what
/// is under way may take once the server ends.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// Reports to the listener. Their order is kept; the last sender gone is the end.
pub(super) type Reports = mpsc::UnboundedSender<FromEngine>;

/// How a session ended.
pub(super) type Ended = Result<(), Fault>;

/// What went wrong with a connection; shown as the log has it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The TLS library's reason, or the system's.
    Handshake(io::Error),
    /// The handshake was not over in this time.
    HandshakeTooLong(Duration),
    /// It was cut short.
    HandshakeCut(Cut),
    /// What the program asked for on its control socket.
    NotTls(u8),
    ProgramEnded,
    /// The runtime cannot wait for a descriptor.
    Descriptor(io::Error),
    /// One that was to come did not.
    NoDescriptors,
    OtherProtocol(OtherProtocol),
    /// The client closed without `close_notify`: anybody on the way could have cut the
    /// connection here.
    Truncated,
    Lost(io::Error),
    /// The client took nothing in this time.
    Stalled(Duration),
    /// Nor did it when it was to go.
    Cut(Cut),
    /// The listener or the monitor said nothing in this time.
    NoAnswer(Duration),
}

/// Why there is no time for a client any more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Others need its place.
    Evicted,
    ServerEnds,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evicted => "connection limit reached",
            Self::ServerEnds => "the server is shutting down",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(reason) => write!(f, "handshake failed: {}", HandshakeReason(reason)),
            Self::HandshakeTooLong(limit) => {
                write!(f, "handshake failed: not completed within {} s", limit.as_secs())
            }
            Self::HandshakeCut(why) => write!(f, "handshake failed: not completed, {why}"),
            Self::NotTls(octet) => write!(f, "the program asked for {octet:#04x}, not for TLS"),
            Self::ProgramEnded => f.write_str("the program ended during the handshake"),
            Self::Descriptor(reason) => write!(f, "engine: {reason}"),
            Self::NoDescriptors => f.write_str("the engine has no descriptors left"),
            Self::OtherProtocol(spoken) => spoken.fmt(f),
            Self::Truncated => f.write_str("truncated: the peer closed without close_notify"),
            Self::Lost(reason) => write!(f, "connection lost: {reason}"),
            Self::Stalled(limit) => {
                write!(f, "client accepted no data for {} s", limit.as_secs())
            }
            Self::Cut(why) => write!(f, "client accepted no data, {why}"),
            Self::NoAnswer(limit) => write!(f, "no answer within {} s", limit.as_secs()),
        }
    }
}

/// Why a handshake failed, in words for those who read logs where the library has none.
struct HandshakeReason<'a>(&'a io::Error);

impl fmt::Display for HandshakeReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        f.write_str(match error {
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the peer does not speak TLS"
            }
            Some(Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled,
            )) => "client supports nothing newer than TLS 1.1",
            // What TLS 1.2 begins to say about signatures; a client that does not has SHA-1.
            Some(Error::PeerIncompatible(
                PeerIncompatible::SignatureAlgorithmsExtensionRequired,
            )) => "client supports nothing newer than TLS 1.1 or SHA-1",
            Some(Error::NoApplicationProtocol) => "client offers only other protocols by ALPN",
            Some(error) => return error.fmt(f),
            None if self.0.kind() == io::ErrorKind::UnexpectedEof => {
                "the peer closed the connection"
            }
            None => return self.0.fmt(f),
        })
    }
}

/// How a client's side of the stream ended.
#[derive(Debug)]
pub(super) enum ClientEnd {
    /// With `close_notify`, or in the clear.
    Closed,
    /// Without: see [`Fault::Truncated`].
    Truncated,
    /// By an error of the network or of the TLS connection.
    Broken(io::Error),
}

impl From<io::Error> for ClientEnd {
    fn from(reason: io::Error) -> Self {
        match reason.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Broken(reason),
        }
    }
}

/// The two ends of the decrypted stream: what the program reads is written to the
/// first, what it writes is read from the second.
pub(super) type ProgramEnds = [OwnedFd; 2];

/// Whether a client that has not logged in may stay.
pub(super) enum Stay {
    /// Until the listener says otherwise. Where nobody is left to say so, there is no server.
    Granted(oneshot::Receiver<Cut>),
    /// There is no time for anything but a last word.
    Over(Cut),
}

impl Stay {
    /// Resolves when the client may stay no longer.
    pub(super) async fn ends(&mut self) {
        if let Self::Granted(listener) = self {
            *self = Self::Over(listener.await.unwrap_or(Cut::ServerEnds));
        }
    }

    /// Why it may stay no longer.
    pub(super) const fn cut(&self) -> Option<Cut> {
        if let Self::Over(why) = self { Some(*why) } else { None }
    }
}

#[cfg(test)]
impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
