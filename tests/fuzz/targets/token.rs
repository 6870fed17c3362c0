//! The target `token` of `src/fuzz` under cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| electron_market::fuzz::run("token", bytes));
