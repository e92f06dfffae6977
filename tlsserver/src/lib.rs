//! A UCSPI-TLS server: it accepts connections, runs a program for each, and does
//! TLS for it in another address space, with the private key in a third.
//!
//! - [`listener`]: accepts, limits, starts the program, passes descriptors; parses
//!   nothing that a peer sent but a PROXY header.
//! - [`engine`]: all TLS of all connections; jailed, without a key.
//! - [`keyholder`]: the private keys and nothing else; jailed, without a network.
//! - [`monitor`]: runs login programs, where engines talk to clients until they have logged
//!   in (`--login`); never hears a client.
//!
//! [`proto::channel`] is what they say to each other.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods)]

pub mod certificate_files;
mod child;
pub mod engine;
pub mod environment;
mod incoming;
pub mod keyholder;
mod last_words;
pub mod listener;
pub mod log;
pub mod monitor;
pub mod options;
mod outbox;
mod program;

/// The cryptographic library cannot work.
#[derive(Debug)]
struct NoRandomOctets;

impl std::fmt::Display for NoRandomOctets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no random octets")
    }
}

/// Has the cryptographic library open what it looks for when it is first asked for
/// random octets: in the jail it would look in vain, and die of it.
fn warm_up() -> Result<(), NoRandomOctets> {
    aws_lc_rs::rand::fill(&mut [0; 32]).map_err(|_| NoRandomOctets)
}
