//! The qmail home, for authup and fixsmtpio.

use proto::names::Variable;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use unix::control::{Folder, Unreadable};
use unix::environment::Environment;

/// Goes to the qmail home, to stay. The environment loses its name.
pub(crate) fn enter_home(environment: &mut Environment) -> Result<Folder, Unreadable> {
    Folder::enter(environment.take(Variable::QmailHome).as_deref().map(OsStr::from_bytes))
}
