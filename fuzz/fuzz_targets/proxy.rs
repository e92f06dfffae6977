//! libFuzzer's way to `checks::proxy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::proxy::check(input));
