//! What a jailed process says for the log, by the listener: as long as the log takes, no longer.

use super::wire::Reader;
use alloc::string::String;

/// The longest text that a jailed process may have for the log, in octets.
pub const LONGEST_TEXT: usize = 512;

/// As much of it as the log takes, up to the end of a letter.
pub(super) fn cut(text: &str) -> &[u8] {
    let short = (0..=LONGEST_TEXT.min(text.len())).rev().find_map(|end| text.get(..end));
    short.unwrap_or_default().as_bytes()
}

/// Reads it; nobody honest says more.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<String> {
    reader.text().filter(|text| text.len() <= LONGEST_TEXT)
}
