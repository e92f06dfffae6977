//! libFuzzer's way to `checks::smtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::smtp::check(input));
