//! What the front door does: descriptors, children, deadlines, identities.
//!
//! The only package in which `unsafe` may stand; each place says why it holds.
//! It decides nothing: what to do comes from `proto`, by way of the programs.

pub mod identity;
#[expect(unsafe_code, reason = "a descriptor known by its number alone is taken over")]
pub mod password_fd;
pub mod trusted_file;
