//! libFuzzer's way to `checks::handshake_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::handshake_text::check(input));
