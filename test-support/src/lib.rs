//! What the tests of several packages need, and the benchmarks: what the machine has, folders,
//! programs that are run to their end or talked with, servers and clients, processes as `/proc`
//! shows them, a file system that hangs, logs that are followed, certificates.
//!
//! Of our own programs it knows how a service is set up (`service`), and how their source and pages
//! are laid out (`manual`). Whatever goes wrong is the test's failure, and so a panic that says
//! what was wanted; whatever waits gives up after [`wait::PATIENCE`].

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is for tests")]
#![expect(clippy::missing_panics_doc, reason = "said above, once")]

#[cfg(feature = "certificates")]
pub mod certificate;
#[cfg(feature = "client")]
pub mod client;
pub mod dovecot;
pub mod folder;
pub mod hanging;
pub mod log;
#[cfg(feature = "manual")]
pub mod manual;
pub mod needs;
pub mod process;
pub mod run;
pub mod server;
pub mod service;
pub mod talking;
pub mod wait;
