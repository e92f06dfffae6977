//! Exit codes: what our programs say by their ends, to one another and to whoever
//! runs them. They are an interface: the numbers stay.
//!
//! Each program's manual page lists those that it names.

/// What was asked for cannot be, or is not allowed: wrong usage, a refused login, a
/// failure of our own.
pub const FAILED: u8 = 1;
/// checkpassword was called wrongly.
pub const MISUSED: u8 = 2;
/// There is no mail server for the client, which has been told so.
pub const TOLD: u8 = 14;
/// vchkpw's word for a refused login.
pub const VCHKPW_REFUSED: u8 = 3;
/// The client did nothing for too long.
pub const TIMED_OUT: u8 = 16;
/// A signal ended the program behind.
pub const CRASHED: u8 = 17;
/// The control files cannot be used.
pub const CONTROLS: u8 = 18;
/// The login was good, and the program behind it cannot be run: the client has heard
/// nothing.
pub const NOT_STARTED: u8 = 19;
/// tlsserver was called wrongly, in the words of the servers whose place it takes.
pub const USAGE: u8 = 100;
/// Temporary failure.
pub const TEMPORARY: u8 = 111;
