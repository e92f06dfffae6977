//! Why there is no server, or none any more: what it says last.

use proto::escape::Escaped;
use std::fmt;
use std::io;
use unix::control::Unreadable;
use unix::jail::NoIdentity;

use super::memory::TooLow;
use super::sockets::Failure;
use super::workers::files::Unread;
use crate::child::How;
use crate::program::Unusable;

/// The reason.
#[derive(Debug)]
pub(super) enum Unable {
    Memory(TooLow),
    Identity(NoIdentity),
    Listen(Failure),
    NoSocket,
    Signals(io::Error),
    Program(Unusable),
    Control(Unreadable),
    Capabilities(io::Error),
    Monitor(io::Error),
    /// In its own words.
    MonitorSays(String),
    MonitorEnded,
    Files(Unread),
    /// In its own words.
    EngineSays(String),
    EngineEnded(How),
    Poll(io::Error),
    Accept(io::Error),
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(why) => why.fmt(f),
            Self::Identity(why) => why.fmt(f),
            Self::Listen(why) => why.fmt(f),
            Self::NoSocket => f.write_str("no socket to listen on"),
            Self::Signals(reason) => write!(f, "signals: {reason}"),
            Self::Program(why) => why.fmt(f),
            Self::Control(why) => why.fmt(f),
            Self::Capabilities(reason) => write!(f, "capabilities: {reason}"),
            Self::Monitor(reason) => write!(f, "monitor: {reason}"),
            Self::MonitorSays(why) => f.write_str(why),
            Self::MonitorEnded => f.write_str("monitor: ended at its start"),
            Self::Files(why) => why.fmt(f),
            Self::EngineSays(why) => write!(f, "engine: {}", Escaped(why.as_bytes())),
            Self::EngineEnded(how) => write!(f, "engine: {how}"),
            Self::Poll(reason) => write!(f, "poll: {reason}"),
            Self::Accept(reason) => write!(f, "unable to accept: {reason}"),
        }
    }
}
