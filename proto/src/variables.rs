//! Variables that somebody else's environment is made of: what a server was started with, as
//! far as it goes on to another, what rules add, what is known of a handshake.
//!
//! A program's own, and what it changes of them for the one that it becomes, is
//! `unix::environment`'s, where nothing is copied. What a dialog hands on is
//! [`handoff`](crate::login::handoff)'s, which has names of its own, and a check for each.

use crate::names::Variable;
use alloc::vec::Vec;

/// Names and values, in the order in which they are set.
pub type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// The value of a variable; of several, the last.
#[must_use]
pub fn value(variables: &Variables, variable: Variable) -> Option<&[u8]> {
    named(variables, variable.name())
}

/// The same of a name that is somebody else's to say.
#[must_use]
pub fn named<'a>(variables: &'a Variables, name: &str) -> Option<&'a [u8]> {
    let found = variables.iter().rev().find(|(found, _)| found == name.as_bytes());
    found.map(|(_, value)| value.as_slice())
}
