//! What a jailed process has to say that is about no connection: why it cannot go on. It has
//! no log: whoever had taken it over could write there what looks like another's lines. So
//! the listener writes it, with the process's name, and not without end.
//!
//! Called by engines and the keyholder, whose channel to the listener is descriptor 0.

use std::io;
use unix::descriptor_passing::send;

/// Lets go of the log; a panic is said by the channel from now on. To be called before the
/// jail, where there is no other pipe to be had.
///
/// # Errors
/// The system's, most likely that descriptors are exhausted.
pub(crate) fn leave_the_log(encode: fn(String) -> Vec<u8>) -> io::Result<()> {
    std::panic::set_hook(Box::new(move |panic| {
        report(&encode(panic.to_string().replace('\n', " ")));
    }));
    unix::log::let_go()
}

/// Says it, if it can be heard: that the listener is gone is no news to anybody.
pub(crate) fn report(message: &[u8]) {
    let _ = send(io::stdin(), message, &[]);
}
