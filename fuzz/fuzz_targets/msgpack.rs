//! Binary frames in MessagePack.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| channels::fuzzing::msgpack(input));
