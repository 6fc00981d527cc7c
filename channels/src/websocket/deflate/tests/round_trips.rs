//! What is compressed is what a client reads, and what a client sends is what is inflated.

use super::*;

const WINDOWS: std::ops::RangeInclusive<u8> = MIN_WINDOW_BITS..=MAX_WINDOW_BITS;

/// Whether compressing it saved something.
fn goes_there_and_back(message: &[u8], window_bits: u8) -> bool {
    let Some(compressed) = compress(message, window_bits) else { return false };
    assert!(compressed.len() < message.len(), "{} of {}", compressed.len(), message.len());
    assert!(client::reads(&compressed, window_bits) == message, "{} bytes, window {window_bits}", message.len());
    assert!(inflate(&compressed, message.len()).unwrap() == message, "{} bytes", message.len());
    true
}

#[test]
fn small_sizes_go_through_every_window() {
    let mut numbers = Numbers(1);
    for window_bits in WINDOWS {
        for length in (0..100).chain([255, 256, 257, 299]) {
            goes_there_and_back(&vec![0; length], window_bits);
            goes_there_and_back(&numbers.json(length), window_bits);
            goes_there_and_back(&numbers.mixed(length), window_bits);
        }
    }
}

#[test]
fn sizes_around_windows_and_blocks_go_through_every_window() {
    let mut numbers = Numbers(2);
    for window_bits in WINDOWS {
        for power in [9, 12, 15] {
            for length in [(1 << power) - 1, 1 << power, (1 << power) + 263] {
                assert!(goes_there_and_back(&vec![0; length], window_bits));
                assert!(goes_there_and_back(&numbers.json(length), window_bits));
                goes_there_and_back(&numbers.mixed(length), window_bits);
            }
        }
    }
}

#[test]
fn messages_of_any_kind_and_size_go_through() {
    let mut numbers = Numbers(3);
    for _ in 0..50 {
        let length = numbers.below(70_000);
        let message = numbers.mixed(length);
        let window_bits = MIN_WINDOW_BITS + u8::try_from(numbers.below(7)).unwrap();
        goes_there_and_back(&message, window_bits);
        let level = u32::try_from(numbers.below(10)).unwrap();
        let from_client = without_tail(sent(&[(&message, FlushCompress::Sync)], level));
        assert!(inflate(&from_client, length).unwrap() == message, "{length} bytes at level {level}");
    }
}

#[test]
fn what_saves_nothing_is_not_compressed() {
    let mut numbers = Numbers(4);
    for length in [0, 1, 2, 3, 10, 1000, 20_000, 70_000] {
        assert_eq!(compress(&numbers.bytes(length), 15), None, "{length} bytes at random");
    }
    for window_bits in [0, 8, 16, 255] {
        assert_eq!(compress(&[0; 1000], window_bits), None, "there is no window of {window_bits}");
    }
    assert!(compress(&[0; 1000], 15).unwrap().len() < 20);
}

#[test]
fn what_waits_in_an_outbox_has_no_room_around_it() {
    let compressed = compress(&[0; 100_000], 15).unwrap();
    let length = compressed.len();
    assert!(compressed.try_into_mut().unwrap().capacity() <= length + 32);
}

#[test]
fn a_message_is_compressed_as_if_it_were_the_first() {
    let mut numbers = Numbers(5);
    let messages: Vec<_> = (0..20).map(|_| numbers.json(5000)).collect();
    let alone: Vec<_> = messages.iter().map(|message| compress(message, 11).unwrap()).collect();
    for _ in 0..3 {
        let again: Vec<_> = messages.iter().map(|message| compress(message, 11).unwrap()).collect();
        assert_eq!(again, alone);
    }
}

#[test]
fn many_threads_compress_and_inflate_at_once() {
    std::thread::scope(|scope| {
        for seed in 1..=8 {
            scope.spawn(move || {
                let mut numbers = Numbers(seed);
                for _ in 0..50 {
                    let length = 1000 + numbers.below(3000);
                    assert!(goes_there_and_back(&numbers.json(length), 15));
                    assert_eq!(inflate(&[0xff; 10], 1000), Err(InflateError::Corrupt));
                }
            });
        }
    });
}
