//! libFuzzer's way to `checks::failures`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::failures::check(input));
