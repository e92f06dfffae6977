//! What a client is told outside of its dialog, as a rule before the end: by one of us that has
//! no session for it.

use proto::exit_code;
use unix::client;

/// Seconds for a client that does not read: for what waits to be read there are the system's
/// buffers, which have room for all of these words.
pub(crate) const SECONDS: u64 = 10;

/// Tells the client. What it has sent nobody will read.
pub(crate) fn say(words: &[u8]) {
    // Who is gone need not be told.
    let _gone = client::write(words, SECONDS);
    client::discard();
}

/// Tells the client that there is no mail server for it; the exit code says so to whoever
/// waits for us.
pub(crate) fn say_that_there_is_none(words: &[u8]) -> u8 {
    say(words);
    exit_code::TOLD
}
