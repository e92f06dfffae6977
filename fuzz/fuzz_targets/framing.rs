//! libFuzzer's way to `checks::framing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::framing::check(input));
