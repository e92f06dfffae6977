//! The memory of refused logins: who has been refused how often, and who is let in
//! therefore only later.
//!
//! A table of fixed size holds scores that fade away ([`score`]): of the client's address, its
//! network and provider, of the user, and of who is known, which is a user who has logged in from
//! that network ([`source`]). A [`Case`] is one login: which buckets of the table it has to do
//! with, whether it may be tried, and what its answer changes. The rules are in [`case`], its
//! buckets in [`places`], the table's octets in [`entry`], [`bucket`] and [`header`], what the
//! administrator says in [`settings`]. Time is passed in, in seconds. Reading, writing and locking
//! are `unix::failures`', which authup's monitor, tlsserver's listener and `acceptutils failures`
//! call.
//!
//! Neither a user's name nor a secret is in the table: of a name a [keyed hash](keyed_hash) of
//! 64 bits, of the last eight wrong secrets of a user one of 12 bits each.

pub mod bucket;
pub mod case;
pub mod entry;
pub mod header;
pub mod keyed_hash;
pub mod places;
pub mod score;
pub mod settings;
pub mod source;

pub use case::{Answer, Case, Ticket, Verdict};
pub use keyed_hash::UserHash;
pub use settings::Settings;
pub use source::{About, Kind, Named, Prefix, Source};

#[cfg(test)]
mod tests;
