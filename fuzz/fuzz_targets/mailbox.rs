//! libFuzzer's way to `checks::mailbox`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::mailbox::check(input));
