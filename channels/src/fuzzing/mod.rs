//! What holds for any bytes whatsoever: the properties that the targets of `fuzz/` look for exceptions of.
//!
//! No part of the library: it exists in unit tests, which put the corpora of the repository through it, and where
//! `cargo fuzz` sets `cfg(fuzzing)`. Each function takes what the fuzzer made and panics where the property is broken.

mod config;
mod decoder;
mod envelope;
#[cfg(feature = "msgpack")]
mod msgpack;
mod payload;

pub use config::config;
pub use decoder::decoder;
pub use envelope::envelope;
#[cfg(feature = "msgpack")]
pub use msgpack::msgpack;
pub use payload::payload;
use serde_json::Value;

/// Whether two values are the same. Numbers with a fraction may differ in their last digit: serde_json reads them fast,
/// not to the last bit.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            (one - other).abs() <= one.abs() * 1e-14
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use super::*;

    fn corpus(name: &str, property: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 5, "{} has hardly anything", folder.display());
        for file in files {
            let input = std::fs::read(&file).unwrap();
            let outcome = std::panic::catch_unwind(|| property(&input));
            assert!(outcome.is_ok(), "broken by {}", file.display());
            // What a fuzzer would try first.
            for cut in 0..input.len().min(24) {
                property(&input[..cut]);
                let mut turned = input.clone();
                turned[cut] ^= 0x80;
                property(&turned);
            }
        }
    }

    #[test]
    fn the_corpus_of_the_decoder_holds() {
        corpus("decoder", decoder);
    }

    #[test]
    fn the_corpus_of_the_envelope_holds() {
        corpus("envelope", envelope);
    }

    #[test]
    fn the_corpus_of_payloads_holds() {
        corpus("payload", payload);
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn the_corpus_of_messagepack_holds() {
        corpus("msgpack", msgpack);
    }

    #[test]
    fn the_corpus_of_the_configuration_holds() {
        corpus("config", config);
    }
}
