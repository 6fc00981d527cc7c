//! Compressed messages, however they are compressed and cut (RFC 7692, 6 and 7.2).

use channels_tests::frame::{BINARY, Frame, TEXT, fragments, join};
use channels_tests::socket::soon;
use channels_tests::wire::Heard;
use flate2::Compression;

use super::codec::Deflater;
use super::{PLAIN, house, open};
use crate::case::{Case, WHOLE, chops, hold};
use crate::framing::{noise, prose};

const SIZES: [usize; 16] = [0, 1, 2, 5, 16, 125, 126, 127, 255, 256, 4096, 32_767, 32_768, 65_535, 65_536, 1 << 20];

fn case(name: impl Into<String>) -> Case {
    Case::new(name).offer(PLAIN)
}

/// One message in frames of which only the first says that it is compressed.
fn compressed_fragments(opcode: u8, parts: &[&[u8]]) -> Vec<Frame> {
    let mut frames = fragments(opcode, parts);
    frames[0] = frames[0].clone().rsv(4);
    frames
}

#[tokio::test]
async fn a_compressed_message_of_each_size_comes_back() {
    let house = house().await;
    let mut deflater = Deflater::forgetful();
    let mut cases = Vec::new();
    for size in SIZES {
        for chop in [WHOLE, 997, 1] {
            if chop == 1 && size > 4096 {
                continue;
            }
            let (text, data, zeros) = (prose(size), noise(size), vec![0; size]);
            let case = |kind| case(format!("{kind} of {size} bytes, {}", chops(chop)));
            cases.push(case("text").send_chopped(deflater.text(&text), chop).text(text));
            cases.push(case("noise").send_chopped(deflater.binary(&data), chop).binary(data));
            cases.push(case("zeros").send_chopped(deflater.binary(&zeros), chop).binary(zeros));
        }
    }
    hold(&house, cases).await;
}

#[tokio::test]
async fn each_way_to_compress_is_read() {
    let house = house().await;
    let levels = (0..=9).flat_map(|level| {
        [9, 12, 15].map(|bits| {
            let mut deflater = Deflater::new(Compression::new(level), bits, false);
            let text = prose(100_000);
            case(format!("level {level}, {bits} bits")).send(deflater.text(&text)).text(text)
        })
    });
    // "Hello" in the ways in which section 7.2.3 of the RFC shows it.
    let hello: [(&str, &[u8]); 5] = [
        ("one block", b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        ("stored", b"\x00\x05\x00\xfa\xffHello\x00"),
        ("a final block", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        ("two blocks", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
        ("an empty block before", b"\x00\x00\x00\xff\xff\xf2\x48\xcd\xc9\xc9\x07\x00"),
    ];
    let hello = hello.map(|(name, bytes)| case(name).send(Frame::text(bytes).rsv(4)).text("Hello"));
    let empty = [("an empty block", &b"\x00"[..]), ("an empty fixed block", b"\x02\x00")]
        .map(|(name, bytes)| case(name).send(Frame::text(bytes).rsv(4)).text(""));
    // After a final block the next message begins a stream of its own.
    let final_twice = Frame::text(*b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00").rsv(4);
    let final_twice =
        case("a final block twice").send(join([final_twice.clone(), final_twice])).text("Hello").text("Hello");
    hold(&house, levels.chain(hello).chain(empty).chain([final_twice])).await;
}

#[tokio::test]
async fn a_compressed_message_may_be_cut_anywhere() {
    let house = house().await;
    let text = "Grüße aus é€🦀! ".repeat(20);
    let payload = Deflater::forgetful().message(text.as_bytes());
    let mut cases = Vec::new();
    for cut in 0..=payload.len() {
        let (start, rest) = payload.split_at(cut);
        let frames = compressed_fragments(TEXT, &[start, rest]);
        cases.push(case(format!("at {cut}")).send(join(frames.clone())).text(&*text));
        let [first, second] = <[Frame; 2]>::try_from(frames).unwrap();
        cases.push(
            case(format!("at {cut}, a ping")).send(join([first, Frame::ping("?"), second])).pong("?").text(&*text),
        );
    }
    let bytewise: Vec<&[u8]> = payload.chunks(1).collect();
    for chop in [WHOLE, 1, 7] {
        let frames = join(compressed_fragments(TEXT, &bytewise));
        cases.push(case(format!("a byte a fragment, {}", chops(chop))).send_chopped(frames, chop).text(&*text));
        let empties = join(compressed_fragments(TEXT, &[b"", &payload, b"", b""]));
        cases.push(case(format!("empty fragments, {}", chops(chop))).send_chopped(empties, chop).text(&*text));
    }
    let data = noise(300_000);
    let payload = Deflater::forgetful().message(&data);
    let parts: Vec<&[u8]> = payload.chunks(4001).collect();
    cases.push(case("large").send(join(compressed_fragments(BINARY, &parts))).binary(data));
    hold(&house, cases).await;
}

#[tokio::test]
async fn messages_that_are_not_compressed_may_stand_between() {
    let house = house().await;
    let mut deflater = Deflater::forgetful();
    let text = prose(3000);
    let frames = [
        Frame::text("plain"),
        deflater.text(&text),
        Frame::binary(noise(3000)),
        Frame::ping("?"),
        deflater.binary(&noise(3000)),
        Frame::text(""),
        deflater.text(""),
        Frame::text("in ").more(),
        Frame::continuation("two"),
        deflater.text("end"),
    ];
    let cases = [WHOLE, 1, 997].map(|chop| {
        case(chops(chop))
            .send_chopped(join(frames.clone()), chop)
            .text("plain")
            .text(&*text)
            .binary(noise(3000))
            .pong("?")
            .binary(noise(3000))
            .text("")
            .text("")
            .text("in two")
            .text("end")
    });
    hold(&house, cases).await;
}

/// A hundred messages, each like the one before, over what was agreed on.
#[tokio::test]
async fn a_context_is_taken_over_where_that_was_agreed_on() {
    let house = house().await;
    let offers = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
    ];
    for offer in offers {
        let (mut wire, agreed) = open(&house, &[offer]).await.unwrap();
        let mut deflater = Deflater::agreed(&agreed.unwrap());
        for number in 0..100 {
            let text = format!("{number} {}", prose(number * 50));
            wire.write(&deflater.text(&text).bytes(), WHOLE).await;
            assert_eq!(soon("the echo", wire.hear()).await, Ok(Heard::Text(text.into())), "{offer}");
        }
    }
}

#[tokio::test]
async fn what_can_be_compressed_is() {
    let house = house().await;
    let (mut wire, _) = open(&house, &[PLAIN.0]).await.unwrap();
    let mut inflate = wire.inflate.take().unwrap();
    let (told, compressed) = std::sync::mpsc::channel();
    wire.inflate = Some(Box::new(move |payload| {
        told.send(payload.len()).unwrap();
        inflate(payload)
    }));
    let text = prose(100_000);
    // What the client does decides nothing about what the server does.
    for frame in [Frame::text(&*text), Deflater::forgetful().text(&text)] {
        wire.write(&frame.bytes(), WHOLE).await;
        assert_eq!(soon("the echo", wire.hear()).await, Ok(Heard::Text(text.clone().into())));
        assert!(compressed.try_recv().is_ok_and(|bytes| bytes < text.len() / 10));
    }
}
