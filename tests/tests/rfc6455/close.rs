//! The closing handshake (RFC 6455, 5.5.1 and 7).

use std::time::{Duration, Instant};

use channels_tests::frame::{CLOSE, Frame, TEXT, fragments, join};
use channels_tests::socket::soon;
use channels_tests::wire::{Heard, Wire};

use crate::case::{Case, WHOLE, chops, hold};
use crate::framing::prose;
use crate::house::House;
use crate::talk::request;

/// What may go over the wire: defined by the RFC, registered since, of libraries, and of applications.
const VALID: [u16; 17] =
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4500, 4999];
/// Never used, kept for what never goes over the wire, undefined, and out of range.
const INVALID: [u16; 20] =
    [0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1099, 1100, 1999, 2000, 2500, 2999, 5000, 5001, 32768, 65535];

#[tokio::test]
async fn each_valid_code_comes_back() {
    let house = House::open().await;
    let reasons = ["", "bye", "tschüß 🦀", &"x".repeat(123), &"🦀".repeat(30)];
    let cases = VALID.into_iter().flat_map(|code| {
        reasons.iter().map(move |reason| {
            let name = format!("{code} with a reason of {} bytes", reason.len());
            Case::new(name).send(Frame::close(code, reason)).answered(&[Some(code)])
        })
    });
    let chopped = [1, 2, 3].map(|chop| {
        let name = chops(chop);
        Case::new(name).send_chopped(Frame::close(1000, "bye"), chop).answered(&[Some(1000)])
    });
    hold(&house, cases.chain(chopped)).await;
}

#[tokio::test]
async fn a_close_frame_without_a_code_is_answered() {
    let house = House::open().await;
    let frame = Frame::new(CLOSE, "");
    let cases = [
        Case::new("at once").send(frame.clone()),
        Case::new("byte by byte").send_chopped(frame.clone(), 1),
        Case::new("after a message").send(join([Frame::text("hi"), frame.clone()])).text("hi"),
        Case::new("after a ping").send(join([Frame::ping("hi"), frame])).pong("hi"),
    ];
    hold(&house, cases.map(|case| case.answered(&[None, Some(1000)]))).await;
}

#[tokio::test]
async fn an_invalid_code_is_a_breach() {
    let house = House::open().await;
    let cases = INVALID.into_iter().flat_map(|code| {
        [
            Case::new(format!("{code}")).send(Frame::close(code, "")).failed(1002),
            Case::new(format!("{code} with a reason")).send(Frame::close(code, "because")).failed(1002),
        ]
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn half_a_code_is_a_breach() {
    let house = House::open().await;
    let cases =
        [0x00, 0x03, 0xff].map(|byte| Case::new(format!("{byte:#04x}")).send(Frame::new(CLOSE, [byte])).failed(1002));
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_reason_has_to_be_text() {
    let house = House::open().await;
    let reasons: [&[u8]; 7] =
        [b"\xff", b"\x80", b"bye\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"fine\xe2\x82 not"];
    let cases = reasons
        .map(|reason| Case::new(reason.escape_ascii().to_string()).send(Frame::close(1000, reason)).failed(1007));
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_close_frame_has_no_more_than_125_bytes() {
    let house = House::open().await;
    let cases = [124, 125, 1000, 65536].map(|reason| {
        Case::new(format!("a reason of {reason} bytes")).send(Frame::close(1000, "x".repeat(reason))).failed(1002)
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn what_follows_a_close_frame_is_ignored() {
    let house = House::open().await;
    let followers: [(&str, Vec<u8>); 8] = [
        ("a text", Frame::text("too late").bytes()),
        ("a ping", Frame::ping("too late").bytes()),
        ("another close frame", Frame::close(1001, "").bytes()),
        ("a reserved opcode", Frame::new(3, "").bytes()),
        ("a frame without a mask", Frame::text("hi").unmasked().bytes()),
        ("half a frame", Frame::text("hi").claiming(100).bytes()),
        ("garbage", vec![0xff; 100]),
        ("a large message", Frame::text(prose(300_000)).bytes()),
    ];
    let cases = followers.into_iter().flat_map(|(name, behind)| {
        let close = Frame::close(1000, "bye").bytes();
        [
            Case::new(format!("{name} in the same write")).send([close.clone(), behind.clone()].concat()),
            Case::new(format!("{name} in the next write")).send(close).send(behind),
        ]
    });
    hold(&house, cases.map(|case| case.answered(&[Some(1000)]).or_reset())).await;
}

#[tokio::test]
async fn what_came_before_a_close_frame_is_answered() {
    let house = House::open().await;
    let close = || Frame::close(1000, "bye");
    let many = join((0..50).map(|number| Frame::text(number.to_string())).chain([close()]));
    let many = Case::new("fifty messages").send(many);
    let cases = [
        Case::new("a message").send(join([Frame::text("one"), close()])).text("one"),
        Case::new("a large message").send(join([Frame::text(prose(200_000)), close()])).text(prose(200_000)),
        Case::new("a message in fragments")
            .send(join(fragments(TEXT, ["o", "ne"]).into_iter().chain([close()])))
            .text("one"),
        Case::new("a ping").send(join([Frame::ping("one"), close()])).pong("one"),
        (0..50).fold(many, |case, number| case.text(number.to_string())),
    ];
    hold(&house, cases.map(|case| case.answered(&[Some(1000)]))).await;
}

#[tokio::test]
async fn a_close_frame_may_stand_between_fragments() {
    let house = House::open().await;
    let cases = [WHOLE, 1].map(|chop| {
        let frames = join([Frame::text("never ").more(), Frame::close(1000, ""), Frame::continuation("complete")]);
        Case::new(chops(chop)).send_chopped(frames, chop).answered(&[Some(1000)]).or_reset()
    });
    hold(&house, cases).await;
}

/// A client takes a server that keeps the socket open for one that hangs, and after a reset it may have lost
/// the code: the server closes first, and in good order (7.1.1).
#[tokio::test]
async fn the_socket_is_closed_as_soon_as_the_close_frames_are_exchanged() {
    const AT_ONCE: Duration = Duration::from_millis(700);
    let house = House::open().await;
    let starts = [
        ("a close frame", Frame::close(1000, "").bytes()),
        ("a close frame without a code", Frame::new(CLOSE, "").bytes()),
        ("an invalid code", Frame::close(999, "").bytes()),
        ("a reserved bit", Frame::text("hi").rsv(1).bytes()),
        ("an unknown opcode", Frame::new(3, "hi").bytes()),
        ("a continuation of nothing", Frame::continuation("hi").bytes()),
        ("no UTF-8", Frame::text(*b"\xff").bytes()),
        ("no UTF-8, within a message", Frame::text(*b"\xff").more().bytes()),
    ];
    let mut wrong = Vec::new();
    for (name, bytes) in starts {
        let mut wire = Wire::connect(house.address).await.unwrap();
        wire.write(&request(""), WHOLE).await;
        assert_eq!(soon(name, wire.head()).await.unwrap().status, 101);
        wire.write(&bytes, WHOLE).await;
        assert!(matches!(soon(name, wire.hear()).await, Ok(Heard::Close(_))), "{name}");
        let closed = Instant::now();
        wire.write(&Frame::close(1000, "").bytes(), WHOLE).await;
        let end = soon(name, wire.hear()).await;
        if end != Ok(Heard::End) || closed.elapsed() > AT_ONCE {
            wrong.push(format!("{name}: {end:?} after {:?}", closed.elapsed()));
        }
    }
    assert!(wrong.is_empty(), "{} end wrongly:\n{}", wrong.len(), wrong.join("\n"));
    house.empty().await;
}
