//! libFuzzer's way to `checks::message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::message::check(input));
