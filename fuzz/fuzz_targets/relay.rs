//! libFuzzer's way to `checks::relay`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::relay::check(input));
