//! libFuzzer's way to `checks::cdb`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::cdb::check(input));
