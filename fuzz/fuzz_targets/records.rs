//! libFuzzer's way to `checks::records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::records::check(input));
