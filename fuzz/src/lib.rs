//! What must hold for whatever octets arrive.
//!
//! One file for each target: its `check` takes the fuzzer's octets, makes a situation of
//! them, and panics where something does not hold. Most compare with a model: the same
//! thing said once more, by whoever has all octets at hand and all the time there is.
//! `fuzz_targets` hands them to libFuzzer, `tests/corpus.rs` to the corpus and to inputs
//! made from it by chance.

pub mod choices;
pub mod cuts;
pub mod memory;
pub mod octets;

pub mod cdb;
pub mod channel;
pub mod facts;
pub mod failures;
pub mod framing;
pub mod handshake_text;
pub mod imap;
pub mod line;
pub mod mailbox;
pub mod message;
pub mod monitor;
pub mod passwd;
pub mod pop3;
pub mod proxy;
pub mod records;
pub mod relay;
pub mod rules;
pub mod session;
pub mod smtp;

mod auth;
mod lines;
mod login;
mod pump;

/// A check: panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every target: its name, which is also its corpus's, and its check.
pub const TARGETS: [(&str, Check); 19] = [
    ("cdb", cdb::check),
    ("channel", channel::check),
    ("facts", facts::check),
    ("failures", failures::check),
    ("framing", framing::check),
    ("handshake_text", handshake_text::check),
    ("imap", imap::check),
    ("line", line::check),
    ("mailbox", mailbox::check),
    ("message", message::check),
    ("monitor", monitor::check),
    ("passwd", passwd::check),
    ("pop3", pop3::check),
    ("proxy", proxy::check),
    ("records", records::check),
    ("relay", relay::check),
    ("rules", rules::check),
    ("session", session::check),
    ("smtp", smtp::check),
];
