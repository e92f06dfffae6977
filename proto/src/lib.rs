//! What the front door of a mail server decides.
//!
//! Bytes go in; events and bytes come out. Nothing here reads, writes, sleeps or
//! starts anything: the crate is `no_std` and forbids `unsafe`, so the compiler
//! proves it. The packages `tools` and `tlsserver` join it to the world by `unix`.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod blocklist;
pub mod cdb;
pub mod channel;
pub mod checkpassword;
pub mod civil_time;
pub mod control;
pub mod escape;
pub mod exit_code;
pub mod failures;
pub mod handshake_text;
pub mod imap;
pub mod line;
pub mod logfmt;
pub mod login;
pub mod names;
pub mod network;
pub mod other_protocol;
pub mod pam_service;
pub mod passwd_file;
pub mod password_hash;
pub mod program_words;
#[cfg(feature = "proxy")]
pub mod proxy_header;
pub mod relay;
pub mod repeated;
pub mod sasl;
pub mod secret;
pub mod smtp;
pub mod tls_header;
pub mod ucspi_rules;
pub mod ucspi_tls;
pub mod variables;

#[cfg(test)]
mod split_anywhere;
