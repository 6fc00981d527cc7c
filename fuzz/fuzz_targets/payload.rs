//! Payloads for a typed handler.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| channels::fuzzing::payload(input));
