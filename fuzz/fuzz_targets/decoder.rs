//! Frames of a client, in any pieces.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| channels::fuzzing::decoder(input));
