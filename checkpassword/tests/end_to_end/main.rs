//! Both programs, as built, against what Debian ships: its PAM, its accounts, the
//! hashes that its tools write, and Dovecot as the one who asks.
//!
//! What needs root or a package and lacks it says so and is skipped.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod dovecot;
mod file;
mod hashes;
mod interface;
mod pam;
mod support;
