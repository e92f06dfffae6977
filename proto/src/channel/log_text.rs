//! What a jailed process says for the log, by the listener: as long as the log takes, no longer.

use super::wire::{Reader, Writer};
use alloc::string::String;

/// The longest text that a jailed process may have for the log, in octets.
pub const LONGEST_TEXT: usize = 512;

/// Writes as much of it as the log takes, up to the end of a letter.
pub(super) fn write(text: &str, writer: Writer) -> Writer {
    let short = (0..=LONGEST_TEXT.min(text.len())).rev().find_map(|end| text.get(..end));
    writer.octets(short.unwrap_or_default().as_bytes())
}

/// Reads it; nobody honest says more.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<String> {
    reader.text().filter(|text| text.len() <= LONGEST_TEXT)
}
