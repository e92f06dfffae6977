//! libFuzzer's way to `checks::passwd`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::passwd::check(input));
