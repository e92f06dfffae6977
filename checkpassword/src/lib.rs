//! The two programs that check a password and become the user: `checkpassword-file`
//! (a users file) and `checkpassword-pam` (the system's accounts).
//!
//! Both speak the checkpassword interface: user and password on descriptor 3, the
//! answer in the exit code or in becoming the next program. What a file, a hash or a
//! record means is decided in `proto`; ids, files and descriptors are `unix`'s.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods)]
#![cfg_attr(not(feature = "pam"), allow(dead_code, reason = "what PAM says has no other use"))]

mod failure;
pub mod file;
mod login;
mod options;
#[cfg(feature = "pam")]
pub mod pam;
mod verify;
