//! Connections that end without a word (RFC 6455, 7.1.5: 1006): nothing of them is left.

use std::time::Duration;

use channels_tests::frame::{Frame, join};
use channels_tests::socket::soon;
use channels_tests::wire::{Heard, Wire};
use futures_util::future::join_all;

use crate::case::WHOLE;
use crate::framing::prose;
use crate::house::House;
use crate::talk::request;

/// What a client has sent last.
fn last_words() -> Vec<(String, Vec<u8>)> {
    let frame = Frame::text(prose(200)).bytes();
    let mut words: Vec<_> = (0..10).chain([100, frame.len() - 1]).map(|sent| (sent, frame[..sent].to_vec())).collect();
    // And the header of a length in 64 bits, which the other has not.
    let large = Frame::binary("few").claiming(70_000).bytes();
    words.extend((0..large.len()).map(|sent| (sent, large[..sent].to_vec())));
    let mut words: Vec<_> =
        words.into_iter().map(|(sent, bytes)| (format!("{sent} bytes of a frame"), bytes)).collect();
    words.push(("half a message".into(), Frame::text("half").more().bytes()));
    words.push(("half a message and half a frame".into(), {
        join([Frame::text("half").more(), Frame::continuation("half").claiming(100)])
    }));
    words.push(("half a character".into(), Frame::text(*b"\xf0\x9f").more().bytes()));
    words.push(("a message that is answered".into(), Frame::text(prose(100_000)).bytes()));
    words
}

async fn open(house: &House) -> Wire {
    let mut wire = Wire::connect(house.address).await.unwrap();
    wire.write(&request(""), WHOLE).await;
    assert_eq!(soon("the response", wire.head()).await.unwrap().status, 101);
    wire
}

#[tokio::test]
async fn who_stops_sending_is_let_go() {
    let house = House::open().await;
    let ends = join_all(last_words().into_iter().map(async |(name, bytes)| {
        let mut wire = open(&house).await;
        wire.write(&bytes, WHOLE).await;
        wire.finish().await;
        loop {
            match soon(&name, wire.hear()).await {
                Ok(Heard::Text(_) | Heard::Close(_)) => {}
                Ok(Heard::End) => return None,
                other => return Some(format!("{name}: {other:?}")),
            }
        }
    }));
    let wrong: Vec<String> = ends.await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    house.empty().await;
}

#[tokio::test]
async fn a_reset_leaves_nothing() {
    let house = House::open().await;
    join_all(last_words().into_iter().map(async |(_, bytes)| {
        let mut wire = open(&house).await;
        wire.write(&bytes, WHOLE).await;
        wire.reset();
    }))
    .await;
    house.empty().await;
    assert_eq!(house.accepted(), last_words().len() as u64);
}

/// Whoever goes in the middle of a frame is counted as lost, whoever breaks the protocol as such, and nobody twice.
#[tokio::test]
async fn what_ends_badly_is_counted_as_what_it_was() {
    let house = House::open().await;
    for half in [&b"\x81\x85\0\0\0\0he"[..], b"\x81", b"\x01\x82\0\0\0\0hi"] {
        let mut wire = open(&house).await;
        wire.write(half, WHOLE).await;
        wire.reset();
    }
    house.empty().await;
    assert_eq!((house.stats().lost, house.stats().protocol_errors), (3, 0));
    let too_big = Frame::text("").claiming(1 << 40).bytes();
    for broken in [Frame::new(3, "").bytes(), Frame::text(*b"\xff").bytes(), too_big] {
        let mut wire = open(&house).await;
        wire.write(&broken, WHOLE).await;
        assert!(matches!(soon("the close frame", wire.hear()).await, Ok(Heard::Close(Some(1002 | 1007 | 1009)))));
    }
    let mut wire = open(&house).await;
    wire.write(&Frame::close(1000, "").bytes(), WHOLE).await;
    assert!(matches!(soon("the close frame", wire.hear()).await, Ok(Heard::Close(Some(1000)))));
    drop(wire);
    house.empty().await;
    let stats = house.stats();
    assert_eq!((stats.lost, stats.protocol_errors, stats.timed_out, stats.too_slow), (3, 3, 0, 0));
}

/// It waits for the client's close frame, but not for ever.
#[tokio::test]
async fn who_does_not_answer_the_close_frame_is_let_go() {
    let house = House::open().await;
    let mut wires = Vec::new();
    for bytes in [Frame::text("hi").rsv(1).bytes(), Frame::text(*b"\xff").bytes(), Frame::close(999, "").bytes()] {
        let mut wire = open(&house).await;
        wire.write(&bytes, WHOLE).await;
        assert!(matches!(soon("the close frame", wire.hear()).await, Ok(Heard::Close(Some(_)))));
        wires.push(wire);
    }
    // They neither write, read nor close.
    house.empty().await;
    drop(wires);
}

#[tokio::test]
async fn who_goes_on_sending_after_the_close_frame_is_let_go() {
    let house = House::open().await;
    let mut wire = open(&house).await;
    wire.write(&Frame::new(3, "").bytes(), WHOLE).await;
    assert_eq!(soon("the close frame", wire.hear()).await, Ok(Heard::Close(Some(1002))));
    let babbling = async {
        let frame = Frame::text("and another thing").bytes();
        loop {
            wire.write(&frame, WHOLE).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = house.empty() => {}
        () = babbling => {}
    }
}
