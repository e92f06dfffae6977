//! libFuzzer's way to `checks::monitor`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::monitor::check(input));
