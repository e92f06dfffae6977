//! What the processes of tlsserver say to each other, one message to a packet: each file is
//! a channel, or what one process says on all of its: [`engine`]s and listener, [`keyholder`],
//! [`listener`] and monitor, [`session`] between monitor and engines.
//!
//! Knows the octets and nothing else. Any of them may have been taken over by whom it
//! talks to, so decoding trusts nothing: what does not read exactly is no message.

pub mod engine;
pub mod keyholder;
pub mod listener;
mod log_text;
pub mod session;
mod wire;

pub use log_text::LONGEST_TEXT;

/// Names one connection: a number that no earlier listener's connection had.
pub type ConnectionId = u64;

/// Names one engine, for as long as the listener runs.
pub type EngineId = u64;

/// The longest message, in octets: a certificate chain is the longest there is.
pub const LONGEST: usize = 128 * 1024;
