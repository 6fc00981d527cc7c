//! The forms that the standard allows a message: RFC 7692, section 7.2.3.

use super::*;

#[test]
fn the_messages_of_the_standard_are_read() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let one_block: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for message in [&one_block[..], &stored, &last_block, &two_blocks] {
        assert_eq!(inflate(message, 5).unwrap(), "Hello", "{message:02x?}");
    }
}

#[test]
fn a_message_that_refers_to_the_one_before_is_refused() {
    assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 100).unwrap(), "Hello");
    assert_eq!(inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], 100), Err(InflateError::Corrupt));
}

#[test]
fn nothing_of_another_message_can_be_read() {
    let secret = "a secret of another client. ".repeat(5000);
    let first = without_tail(sent(&[(secret.as_bytes(), FlushCompress::Sync)], 6));
    let mut state = Compress::new(Compression::new(6), false);
    let mut output = Vec::with_capacity(1 << 20);
    state.compress_vec(secret.as_bytes(), &mut output, FlushCompress::Sync).unwrap();
    output.clear();
    state.compress_vec(&secret.as_bytes()[..28 * 100], &mut output, FlushCompress::Sync).unwrap();
    let second = without_tail(output);
    // Each after a first that may have left the secret in any of the pool's windows.
    for _ in 0..20 {
        assert_eq!(inflate(&first, NO_LIMIT).unwrap(), secret);
        assert_eq!(inflate(&second, NO_LIMIT), Err(InflateError::Corrupt));
    }
}

#[test]
fn an_empty_message_is_one_byte_or_none() {
    for message in [&[0x00][..], &[], &[0x02, 0x00], &[0x03, 0x00], &[0x03, 0x00, 0x00], &[0x01]] {
        assert_eq!(inflate(message, 0).unwrap(), "", "{message:02x?}");
    }
}

#[test]
fn last_blocks_and_flushes_may_stand_within_a_message() {
    use FlushCompress::{Finish, Full, Partial, Sync};
    for flushes in [[Finish, Sync, Sync], [Finish, Finish, Sync], [Sync, Finish, Sync], [Full, Partial, Sync]] {
        let flushed = sent(&[(b"one ", flushes[0]), (b"two ", flushes[1]), (b"three", flushes[2])], 6);
        assert_eq!(inflate(&without_tail(flushed), 13).unwrap(), "one two three", "{flushes:?}");
    }
    let finished = sent(&[(b"one ", Finish), (b"two", Finish)], 6);
    assert_eq!(inflate(&finished, 7).unwrap(), "one two", "the empty block after it is left out");
    assert_eq!(inflate(&[&finished[..], &[0x00]].concat(), 7).unwrap(), "one two", "or stands there");
}

#[test]
fn a_second_stream_cannot_refer_to_the_first() {
    let mut state = Compress::new(Compression::new(6), false);
    let mut first = Vec::with_capacity(1000);
    let text = b"what both of them have in common, word for word";
    state.compress_vec(text, &mut first, FlushCompress::Sync).unwrap();
    let mut second = Vec::with_capacity(1000);
    state.compress_vec(text, &mut second, FlushCompress::Sync).unwrap();
    let second = without_tail(second);
    assert_eq!(inflate(&[&first[..], &second].concat(), 1000).unwrap().len(), 2 * text.len());
    let ended = [&first[..], &[0x03, 0x00], &second].concat();
    assert_eq!(inflate(&ended, 1000), Err(InflateError::Corrupt));
}

#[test]
fn many_last_blocks_cost_no_more_than_their_bytes() {
    let blocks = [0x03, 0x00].repeat(500_000);
    assert_eq!(inflate(&blocks, 0).unwrap(), "");
}
