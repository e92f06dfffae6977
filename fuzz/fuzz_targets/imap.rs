//! libFuzzer's way to `checks::imap`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::imap::check(input));
