//! libFuzzer's way to `checks::pop3`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::pop3::check(input));
