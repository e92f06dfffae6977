//! How a login program, or who follows it, says that the login was good: one octet on a
//! descriptor that a variable names. Who has started it waits there.

use crate::descriptor::{inherit, number_in};
use proto::names::Variable;

/// The variable with the descriptor's number. It is not passed on.
pub const READY: Variable = Variable::AuthupReadyFd;

/// Writes one octet to the descriptor whose number the variable gave, and closes it.
/// Nobody need be listening: what cannot be told is not told.
pub fn notify(number: &[u8]) {
    if let [Ok(listener)] = inherit([number_in(number)]) {
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&listener, &[1]));
    }
}
