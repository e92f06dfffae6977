//! libFuzzer's way to `checks::rules`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::rules::check(input));
