#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod broken;
mod client;
mod offers;
mod round_trips;
mod streams;

use flate2::{Compress, Compression, FlushCompress};

use super::inflate::inflate_into;
use super::*;

/// More than any message of these tests.
const NO_LIMIT: usize = 64 << 20;

/// The same numbers in each run, so that a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % end
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    /// A message as applications send them.
    fn json(&mut self, length: usize) -> Vec<u8> {
        const WORDS: [&str; 8] = ["hello", "channel", "the", "a", "message", "für", "everybody", "🦀"];
        let mut text = r#"{"type":"chat_message","data":{"user":"ada","text":""#.to_owned();
        while text.len() < length {
            text.push_str(WORDS[self.below(WORDS.len())]);
            text.push_str(&format!(" {}, ", self.below(1000)));
        }
        let mut bytes = text.into_bytes();
        bytes.truncate(length);
        bytes
    }

    /// Runs of one byte, bytes at random, and parts of what came before, from anywhere.
    fn mixed(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let part = 1 + self.below(2000);
            match self.below(3) {
                0 => bytes.extend(self.bytes(part)),
                1 => bytes.resize(bytes.len() + part, self.next().to_be_bytes()[0]),
                _ => {
                    let start = self.below(bytes.len() + 1);
                    bytes.extend_from_within(start..(start + part).min(bytes.len()));
                }
            }
        }
        bytes.truncate(length);
        bytes
    }
}

/// What another sender makes of a message; each of the flushes stands for a part of it.
fn sent(parts: &[(&[u8], FlushCompress)], level: u32) -> Vec<u8> {
    let mut state = Compress::new(Compression::new(level), false);
    let mut output = Vec::new();
    for (part, flush) in parts {
        output.reserve(part.len() * 2 + 100);
        state.compress_vec(part, &mut output, *flush).unwrap();
        if matches!(flush, FlushCompress::Finish) {
            state.reset();
        }
    }
    output
}

fn without_tail(flushed: Vec<u8>) -> Vec<u8> {
    flushed.strip_suffix(&TAIL).unwrap().to_owned()
}
