//! libFuzzer's way to `checks::facts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::facts::check(input));
