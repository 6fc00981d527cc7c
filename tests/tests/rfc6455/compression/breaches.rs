//! What ends a compressed connection (RFC 7692, 6.1, 6.2 and 7.2).

use channels_tests::frame::{BINARY, Frame, TEXT, fragments, join};
use channels_tests::socket::soon;
use channels_tests::wire::Heard;
use flate2::Compression;

use super::codec::Deflater;
use super::{PLAIN, house, open};
use crate::case::{Case, WHOLE, hold};
use crate::framing::{noise, prose};
use crate::utf8_table::invalid;

fn case(name: impl Into<String>) -> Case {
    Case::new(name).offer(PLAIN)
}

#[tokio::test]
async fn only_the_first_frame_of_a_message_may_say_that_it_is_compressed() {
    let house = house().await;
    let payload = Deflater::forgetful().message(prose(1000).as_bytes());
    let (start, rest) = payload.split_at(payload.len() / 2);
    let control = [("ping", Frame::ping("hi")), ("pong", Frame::pong("")), ("close", Frame::close(1000, ""))];
    let control = control.into_iter().flat_map(|(name, frame)| {
        let frame = frame.rsv(4);
        [
            case(format!("a {name}")).send(frame.clone()),
            case(format!("a {name} within a message")).send(join([Frame::text(start).rsv(4).more(), frame])),
        ]
    });
    let continuations = [
        case("the rest of a compressed message")
            .send(join([Frame::text(start).rsv(4).more(), Frame::continuation(rest).rsv(4)])),
        case("the middle of one")
            .send(join([Frame::text(start).rsv(4).more(), Frame::continuation(rest).rsv(4).more()])),
        case("the rest of a message that is not")
            .send(join([Frame::text("x").more(), Frame::continuation(rest).rsv(4)])),
        case("a continuation of nothing").send(Frame::continuation(rest).rsv(4)),
    ];
    hold(&house, control.chain(continuations).map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn the_other_bits_are_reserved_still() {
    let house = house().await;
    let mut deflater = Deflater::forgetful();
    let mut cases = Vec::new();
    for bits in [1, 2, 3, 5, 6, 7] {
        cases.push(case(format!("{bits:03b} on text")).send(Frame::text(deflater.message(b"hi")).rsv(bits)));
        cases.push(case(format!("{bits:03b} on binary")).send(Frame::binary(deflater.message(b"hi")).rsv(bits)));
        cases.push(case(format!("{bits:03b} on ping")).send(Frame::ping("hi").rsv(bits)));
    }
    for opcode in (3..=7).chain(11..=15) {
        cases.push(case(format!("opcode {opcode}")).send(Frame::new(opcode, deflater.message(b"hi")).rsv(4)));
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn without_an_agreement_nothing_is_compressed() {
    let house = house().await;
    let mut deflater = Deflater::forgetful();
    let plain = [
        Case::new("text").send(deflater.text("hello")),
        Case::new("binary").send(deflater.binary(b"hello")),
        Case::new("in fragments").send(deflater.text("hello").more()),
        Case::new("after a text").send(join([Frame::text("before"), deflater.text("hello")])).text("before"),
    ];
    hold(&house, plain.map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn what_cannot_be_inflated_ends_the_connection() {
    let house = house().await;
    let payload = Deflater::forgetful().message(prose(5000).as_bytes());
    let mut bent = payload.clone();
    // The kind of the first block becomes the one that does not exist.
    bent[0] |= 0b110;
    let garbage: [(&str, Vec<u8>); 8] = [
        ("no such block", vec![0x06]),
        ("no such block, final", vec![0x07; 40]),
        ("no such block in front", bent),
        ("all ones", vec![0xff; 1000]),
        ("a stored length that is not confirmed", b"\x00\x05\x00\x00\x00Hello".to_vec()),
        ("a look back before the start", b"\xf2\x00\x11\x00\x00".to_vec()),
        ("a text that is not compressed", b"\x06just a text of somebody".to_vec()),
        ("a stored block that does not end", b"\x00\xff\xff\x00\x00Hello".to_vec()),
    ];
    let cases = garbage.into_iter().flat_map(|(name, bytes)| {
        let [first, second] = [&bytes[..1], &bytes[1..]];
        let mut parts = fragments(BINARY, [first, second]);
        parts[0] = parts[0].clone().rsv(4);
        [
            case(name).send(Frame::binary(&*bytes).rsv(4)),
            case(format!("{name}, as text")).send(Frame::text(&*bytes).rsv(4)),
            case(format!("{name}, in fragments")).send(join(parts)),
            case(format!("{name}, byte by byte")).send_chopped(Frame::binary(&*bytes).rsv(4), 1),
        ]
    });
    hold(&house, cases.map(|case| case.failed(1007))).await;
}

#[tokio::test]
async fn a_compressed_text_is_utf8_too() {
    let house = house().await;
    let mut deflater = Deflater::forgetful();
    let cut = ["é", "€", "🦀"].map(|scalar| {
        let bytes = scalar.as_bytes()[..scalar.len() - 1].to_vec();
        (format!("half of {scalar}"), bytes)
    });
    let mut cases = Vec::new();
    for (name, bytes) in invalid().into_iter().filter(|(_, bytes)| bytes.len() > 2 || bytes[0] % 8 == 0).chain(cut) {
        let amid = [prose(2000).as_bytes(), &bytes].concat();
        let payload = deflater.message(&bytes);
        let mut parts = fragments(TEXT, payload.chunks(1));
        parts[0] = parts[0].clone().rsv(4);
        cases.push(case(name.clone()).send(Frame::text(&*payload).rsv(4)).failed(1007));
        cases.push(case(format!("{name}, at the end")).send(Frame::text(deflater.message(&amid)).rsv(4)).failed(1007));
        cases.push(case(format!("{name}, in fragments")).send(join(parts)).failed(1007));
        cases.push(case(format!("{name}, in a binary")).send(deflater.binary(&bytes)).binary(bytes));
    }
    hold(&house, cases).await;
}

#[tokio::test]
async fn who_was_told_to_forget_may_not_look_back() {
    let house = house().await;
    let offer = "permessage-deflate; client_no_context_takeover";
    let (mut wire, agreed) = open(&house, &[offer]).await.unwrap();
    let mut remembers = Deflater::new(Compression::default(), 15, true);
    let data = noise(2000);
    wire.write(&remembers.binary(&data).bytes(), WHOLE).await;
    assert_eq!(soon("the echo", wire.hear()).await, Ok(Heard::Binary(data.clone())));
    wire.write(&remembers.binary(&data).bytes(), WHOLE).await;
    let heard = soon("the end", wire.hear()).await;
    if agreed.unwrap().client_takeover {
        // The hint was not taken up: then it may.
        assert_eq!(heard, Ok(Heard::Binary(data)));
    } else {
        assert!(matches!(heard, Ok(Heard::Close(Some(1002 | 1007)))), "{heard:?}");
    }
}
