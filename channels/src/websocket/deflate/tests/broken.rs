//! Bombs, and what is no message.

use super::*;

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let bomb = without_tail(sent(&[(&vec![0; 10 << 20], FlushCompress::Sync)], 9));
    assert!(bomb.len() < 11 << 10, "{} bytes", bomb.len());
    for limit in [0, 1, 1000, 1 << 20, (10 << 20) - 1] {
        let mut output = Vec::new();
        assert_eq!(inflate_into(&mut output, &bomb, limit), Err(InflateError::TooBig));
        assert!(output.capacity() <= limit + 1, "{} of {limit}", output.capacity());
        assert_eq!(inflate(&bomb, limit), Err(InflateError::TooBig));
    }
    assert_eq!(inflate(&bomb, 10 << 20).unwrap().len(), 10 << 20);
    assert_eq!(inflate(&bomb, usize::MAX).unwrap().len(), 10 << 20);
}

#[test]
fn the_limit_is_exact_for_every_size() {
    let mut numbers = Numbers(6);
    for length in (1..600).chain([1000, 1023, 1024, 1025, 4096, 65_535, 65_536]) {
        for message in [vec![7; length], numbers.json(length), numbers.bytes(length)] {
            let compressed = without_tail(sent(&[(&message, FlushCompress::Sync)], 6));
            assert_eq!(inflate(&compressed, length).unwrap(), message);
            assert_eq!(inflate(&compressed, length - 1), Err(InflateError::TooBig), "{length}");
        }
    }
}

#[test]
fn a_message_that_was_cut_off_is_corrupt() {
    let mut numbers = Numbers(7);
    for message in [numbers.json(100), numbers.json(3000), vec![0; 5000]] {
        for level in [1, 2, 6] {
            let compressed = without_tail(sent(&[(&message, FlushCompress::Sync)], level));
            for end in 1..compressed.len() {
                assert_eq!(inflate(&compressed[..end], NO_LIMIT), Err(InflateError::Corrupt), "{end}, level {level}");
            }
        }
    }
    let stored = without_tail(sent(&[(&numbers.bytes(500), FlushCompress::Sync)], 0));
    assert_eq!(inflate(&stored[..1], NO_LIMIT).unwrap(), "", "the header of a stored block is an empty message");
    for end in 2..stored.len() {
        assert_eq!(inflate(&stored[..end], NO_LIMIT), Err(InflateError::Corrupt), "{end}");
    }
}

#[test]
fn a_message_with_its_tail_or_more_after_it_is_corrupt_or_longer() {
    let compressed = compress(&[b'a'; 100], 15).unwrap();
    for more in [&TAIL[..2], &[0xff], &[0x06], &[0x00, 0x01]] {
        assert_eq!(inflate(&[&compressed[..], more].concat(), 1000), Err(InflateError::Corrupt), "{more:02x?}");
    }
    let twice = [&compressed[..], &TAIL, &compressed].concat();
    assert_eq!(inflate(&twice, 1000).unwrap(), [b'a'; 200][..], "two blocks are one message");
}

#[test]
fn garbage_is_refused_or_bounded() {
    let mut numbers = Numbers(8);
    for round in 0..20_000 {
        let length = 1 + numbers.below(200);
        let garbage = numbers.bytes(length);
        let mut output = Vec::new();
        let _ = inflate_into(&mut output, &garbage, 500);
        assert!(output.capacity() <= 501, "round {round}: {garbage:02x?}");
    }
}

#[test]
fn a_changed_bit_never_gives_more_than_the_limit() {
    let mut numbers = Numbers(9);
    let message = numbers.json(2000);
    let compressed = compress(&message, 15).unwrap();
    for bit in 0..compressed.len() * 8 {
        let mut changed = compressed.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let mut output = Vec::new();
        let _ = inflate_into(&mut output, &changed, 2500);
        assert!(output.capacity() <= 2501, "bit {bit}");
    }
    assert_eq!(inflate(&compressed, 2000).unwrap(), message, "the state forgot what was wrong");
}

#[test]
fn block_type_3_and_wrong_lengths_are_corrupt() {
    for garbage in [&[0x07][..], &[0x06], &[0x00, 0x05, 0x00, 0x05, 0x00], &[0xff; 20], &[0x04], b"{\"type\":\"x\"}"] {
        assert_eq!(inflate(garbage, 1000), Err(InflateError::Corrupt), "{garbage:02x?}");
    }
}
