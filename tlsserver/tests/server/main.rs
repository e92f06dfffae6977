//! The built server from end to end: real processes, real sockets on loopback, and
//! clients and programs as Debian ships them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod certificates;
mod clients;
mod faults;
mod hanging;
mod harness;
mod jails;
mod load_balancer;
mod login;
mod memory;
mod monitor;
mod relay;
mod rules;
mod service;
mod shortage;
mod starting;
