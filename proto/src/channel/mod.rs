//! What the processes of tlsserver say to each other about logins, one message to a
//! packet: [`listener`] and monitor, [`session`] between monitor and engines; and what
//! an [`engine`] says to the listener.
//!
//! Knows the octets and nothing else. Any of them may have been taken over by whom it
//! talks to, so decoding trusts nothing: what does not read exactly is no message.

pub mod engine;
pub mod listener;
pub mod session;
mod wire;

/// Names one connection: a number that no earlier listener's connection had.
pub type ConnectionId = u64;

/// Names one engine, for as long as the listener runs.
pub type EngineId = u64;

/// The longest message, in octets.
pub const LONGEST: usize = 128 * 1024;
