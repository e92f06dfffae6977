//! libFuzzer's way to `checks::until_login`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::until_login::check(input));
