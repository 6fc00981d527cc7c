//! Frames of each size and form (RFC 6455, 5.2), and their masks (5.3).

use channels_tests::frame::{CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, join};

use crate::case::{Case, WHOLE, chops, hold};
use crate::house::House;

/// Around the borders of the three forms of a length, and of words and vectors, in which masks are applied.
const SIZES: [usize; 30] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 124, 125, 126, 127, 128, 129, 4095, 4096, 4097,
    65535, 65536, 65537,
];
const MEGABYTE: usize = 1 << 20;
/// The size of a write that shares no factor with a frame's.
const CHOP: usize = 997;
/// The largest message that is sent byte by byte.
const BYTE_BY_BYTE: usize = 300;

/// So many bytes of text, in characters of one to four bytes.
pub(crate) fn prose(bytes: usize) -> String {
    let mut text: String = "aé€🦀".chars().cycle().take(bytes * 2 / 5).collect();
    while text.len() > bytes {
        text.pop();
    }
    text.extend(std::iter::repeat_n('.', bytes - text.len()));
    text
}

/// So many bytes that do not repeat themselves (xorshift).
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let next = |state: &u64| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        Some(state ^ (state << 17))
    };
    std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), next).map(|state| (state >> 32) as u8).take(bytes).collect()
}

fn sizes() -> impl Iterator<Item = usize> {
    SIZES.into_iter().chain([MEGABYTE])
}

/// A text and a binary of a size, in writes of so many bytes.
fn both(size: usize, chop: usize) -> [Case; 2] {
    let (text, data) = (prose(size), noise(size));
    [
        Case::new(format!("a text of {size} bytes, {chop} a write"))
            .send_chopped(Frame::text(&*text), chop)
            .text(&*text),
        Case::new(format!("a binary of {size} bytes, {chop} a write"))
            .send_chopped(Frame::binary(&*data), chop)
            .binary(data),
    ]
}

#[tokio::test]
async fn a_frame_of_each_size_comes_back_as_it_was_sent() {
    let house = House::open().await;
    hold(&house, sizes().flat_map(|size| both(size, WHOLE))).await;
}

#[tokio::test]
async fn it_does_not_matter_how_a_frame_is_cut_into_writes() {
    let house = House::open().await;
    let bytewise = SIZES.into_iter().filter(|size| *size <= BYTE_BY_BYTE).flat_map(|size| both(size, 1));
    let chopped = sizes().filter(|size| *size > BYTE_BY_BYTE).flat_map(|size| both(size, CHOP));
    let cuts = (2..=24).flat_map(|chop| both(129, chop));
    hold(&house, bytewise.chain(chopped).chain(cuts)).await;
}

#[tokio::test]
async fn any_key_masks() {
    let house = House::open().await;
    let keys = [[0; 4], [0xff; 4], [1, 0, 0, 0], [0, 0, 0, 1], [0x80, 0, 0x80, 0], *b"aaaa", [0, 0xff, 0, 0xff]];
    let cases = keys.into_iter().flat_map(|key| {
        [0, 1, 6, 125, 4099].map(|size| {
            let text = prose(size);
            Case::new(format!("{size} bytes, the key {key:02x?}")).send(Frame::text(&*text).key(key)).text(text)
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn frames_in_one_write_are_as_many_messages() {
    let house = House::open().await;
    let many = || (0..200).map(|number| (Frame::text(prose(number)), prose(number)));
    let all = join(many().map(|(frame, _)| frame));
    let cases = [WHOLE, CHOP, 7].map(|chop| {
        let case = Case::new(chops(chop)).send_chopped(&*all, chop);
        many().fold(case, |case, (_, text)| case.text(text))
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_length_in_more_bytes_than_it_needs_is_refused() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for size in [0, 1, 5, 125] {
        cases.push(Case::new(format!("{size} in 16 bits")).send(Frame::binary(noise(size)).in_16_bits()));
    }
    for size in [0, 1, 125, 126, 65535] {
        cases.push(Case::new(format!("{size} in 64 bits")).send(Frame::binary(noise(size)).in_64_bits()));
    }
    for (what, frame) in [("ping", Frame::ping("hi")), ("close", Frame::close(1000, ""))] {
        cases.push(Case::new(format!("a {what} in 16 bits")).send(frame.clone().in_16_bits()));
        cases.push(Case::new(format!("a {what} in 64 bits")).send(frame.in_64_bits()));
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn a_length_with_its_highest_bit_set_is_refused() {
    let house = House::open().await;
    let cases = [1 << 63, (1 << 63) + 5, u64::MAX, u64::MAX - 1].map(|length| {
        let frame = Frame::text("hello").claiming(length).in_64_bits();
        Case::new(format!("{length:#x}")).send(frame).failed(1002)
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_frame_without_a_mask_is_refused() {
    let house = House::open().await;
    let frames = [
        Frame::text("hello"),
        Frame::text(""),
        Frame::text("hello").more(),
        Frame::text(prose(200)),
        Frame::text(prose(70_000)),
        Frame::binary(noise(5)),
        Frame::new(CONTINUATION, ""),
        Frame::new(PING, ""),
        Frame::new(PING, "hello"),
        Frame::new(PONG, ""),
        Frame::new(CLOSE, ""),
        Frame::close(1000, ""),
    ];
    let alone = frames.clone().map(|frame| {
        let bytes = frame.unmasked().bytes();
        Case::new(format!("{} bytes, {:02x}", bytes.len(), bytes[0])).send(bytes).failed(1002)
    });
    let after = frames.into_iter().filter(|frame| frame.bytes()[0] & 0x0f != CONTINUATION).map(|frame| {
        let bytes = join([Frame::new(TEXT, "before"), frame.unmasked()]);
        Case::new(format!("{} bytes after a text", bytes.len())).send(bytes).text("before").failed(1002)
    });
    let within = Case::new("the second of two fragments")
        .send(join([Frame::text("be").more(), Frame::continuation("fore").unmasked()]))
        .failed(1002);
    hold(&house, alone.into_iter().chain(after).chain([within])).await;
}
