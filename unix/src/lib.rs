//! What the front door does: descriptors, children, deadlines, identities.
//!
//! The only package in which `unsafe` may stand; each place says why it holds.
//! It decides nothing: what to do comes from `proto`, by way of the programs.

pub mod descriptor_passing;
#[cfg(feature = "jail")]
pub mod jail;
pub mod listen_fds;
#[cfg(feature = "signals")]
pub mod signals;
