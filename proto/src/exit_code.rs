//! Exit codes: what our programs say by their ends, to one another and to whoever
//! runs them. They are an interface: the numbers stay.
//!
//! Each program's manual page lists those that it names.

/// A constant for each, and all of them with their names.
macro_rules! table {
    ($($(#[$meaning:meta])* $name:ident = $code:literal,)*) => {
        $($(#[$meaning])* pub const $name: u8 = $code;)*

        /// All of them, by the names that they have here.
        pub const ALL: &[(&str, u8)] = &[$((stringify!($name), $name),)*];
    };
}

table! {
    /// What was asked for cannot be, or is not allowed: wrong usage, a refused login, a
    /// failure of our own.
    FAILED = 1,
    /// checkpassword has no descriptor 3, or what is there is not a whole record; of others'
    /// it is wrong usage, too.
    MISUSED = 2,
    /// There is no mail server for the client, or none any more, and it has been told so.
    TOLD = 14,
    /// vchkpw's word for a refused login.
    VCHKPW_REFUSED = 3,
    /// The client did nothing for too long.
    TIMED_OUT = 16,
    /// A signal ended the program behind.
    CRASHED = 17,
    /// The control files cannot be used.
    CONTROLS = 18,
    /// The login was good, and the program behind it cannot be run: the client has heard
    /// nothing.
    NOT_STARTED = 19,
    /// tlsserver was called wrongly, in the words of the servers whose place it takes.
    USAGE = 100,
    /// Temporary failure.
    TEMPORARY = 111,
}
