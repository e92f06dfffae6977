//! Just enough of IMAP's grammar (RFC 9051, section 9; RFC 3501 is the same here): for
//! what a client says before its login, where a command ends ([`literal`]) and what its
//! words are ([`command`]); for a server behind the login, its first words ([`preauth`]); for the
//! administrator, what may be announced ([`capability`]).
//!
//! Whoever holds a dialog by it is elsewhere: `login::imap` for clients.

pub mod capability;
pub mod command;
pub mod literal;
pub mod preauth;
mod token;
