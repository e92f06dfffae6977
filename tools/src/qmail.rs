//! What authup and fixsmtpio both read under the qmail home.

use proto::control::{TIMEOUT, one_line, seconds};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use unix::control::{Unreadable, enter, read, require};
use unix::environment::Environment;

/// Names another qmail home. Read at start-up, and not passed on.
const HOME: &str = "QMAILHOME";

/// Takes the qmail home's name out of the environment, if it is there.
pub(crate) fn take_home(environment: &mut Environment) -> Option<OsString> {
    environment.take(HOME).map(OsString::from_vec)
}

/// Goes to the qmail home, to stay, and reads the greeting from this file, or else
/// from `me`.
pub(crate) fn greeting(home: Option<OsString>, file: &str) -> Result<Vec<u8>, Unreadable> {
    enter(home.as_deref())?;
    let contents = match read(file)? {
        Some(contents) => contents,
        None => require("me")?,
    };
    Ok(one_line(&contents).to_vec())
}

/// A number of seconds from this file; `default` where it is absent or says none.
pub(crate) fn timeout(file: &str, default: u64) -> Result<u64, Unreadable> {
    Ok(read(file)?.and_then(|contents| seconds(&contents)).unwrap_or(default))
}

/// Seconds to wait for a client's next input.
pub(crate) fn timeout_for_input(file: &str) -> Result<u64, Unreadable> {
    timeout(file, TIMEOUT)
}
