//! libFuzzer's way to `checks::line`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::line::check(input));
