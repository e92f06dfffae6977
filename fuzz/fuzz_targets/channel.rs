//! libFuzzer's way to `checks::channel`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::channel::check(input));
