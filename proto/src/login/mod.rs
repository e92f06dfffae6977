//! Logging in: just enough of a mail protocol to learn a user name and password.
//!
//! [`dialog`] is the one state machine; each protocol has a file with its commands
//! (`smtp`, `pop3`, `imap`) and an arm in each question that all protocols answer
//! ([`protocol`]), each reply a row in one table ([`reply`]), each end of a login a row
//! in another ([`outcome`]). It knows nothing of descriptors, processes or time: its
//! driver asks for the [`Step`] to take (`step`), takes it, and tells what came of it. The two
//! exchange values only, so they may be different processes ([`monitor`]).

pub mod before_login;
pub mod dialog;
pub mod handoff;
mod imap;
mod imap_reply;
pub mod monitor;
pub mod names;
pub mod outcome;
mod pop3;
pub mod protocol;
pub mod reply;
pub mod report;
mod smtp;
mod step;
pub mod summary;
pub mod turns;

pub use dialog::{Attempt, DialogConfig};
pub use step::{Login, Step};

#[cfg(test)]
mod tests;
