//! Pings and pongs (RFC 6455, 5.5.2 and 5.5.3).

use channels_tests::frame::{Frame, join};

use crate::case::{Case, WHOLE, chops, hold};
use crate::framing::{noise, prose};
use crate::house::House;

/// The most that a control frame may carry.
const MOST: usize = 125;

#[tokio::test]
async fn a_ping_is_answered_with_its_own_payload() {
    let house = House::open().await;
    let each = (0..=MOST).map(|size| {
        let payload = noise(size);
        Case::new(format!("{size} bytes")).send(Frame::ping(&*payload)).pong(payload)
    });
    let chopped = [0, 1, 5, MOST].into_iter().flat_map(|size| {
        [1, 2, 7].map(|chop| {
            let payload = noise(size);
            let name = format!("{size} bytes, {chop} a write");
            Case::new(name).send_chopped(Frame::ping(&*payload), chop).pong(payload)
        })
    });
    let payloads = [&b"\xff\xfe\xfd\xc0\x80"[..], b"\0\0\0\0", &[0xff; MOST]];
    let not_text = payloads.map(|payload| {
        let name = format!("{} bytes that are no text", payload.len());
        Case::new(name).send(Frame::ping(payload)).pong(payload)
    });
    hold(&house, each.chain(chopped).chain(not_text)).await;
}

#[tokio::test]
async fn many_pings_in_one_write_are_answered_in_their_order() {
    let house = House::open().await;
    let payload = |number: usize| format!("ping {number}");
    let cases = [(2, WHOLE), (10, WHOLE), (10, 1), (10, 17), (100, WHOLE), (100, 61)].map(|(count, chop)| {
        let pings = join((0..count).map(|number| Frame::ping(payload(number))));
        let case = Case::new(format!("{count} pings, {}", chops(chop))).send_chopped(pings, chop);
        (0..count).fold(case, |case, number| case.pong(payload(number)))
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn pings_between_messages_are_answered_and_the_messages_too() {
    let house = House::open().await;
    let cases = [WHOLE, 1, 13].map(|chop| {
        let frames = [Frame::text("one"), Frame::ping("two"), Frame::binary("three"), Frame::ping(""), Frame::text("")];
        Case::new(chops(chop))
            .send_chopped(join(frames), chop)
            .text("one")
            .binary("three")
            .text("")
            .pong("two")
            .pong("")
    });
    let long = prose(100_000);
    let large = Case::new("around a large message")
        .send(join([Frame::ping("before"), Frame::text(&*long), Frame::ping("after")]))
        .pong("before")
        .text(long)
        .pong("after");
    hold(&house, cases.into_iter().chain([large])).await;
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_ignored() {
    let house = House::open().await;
    let pongs = [Frame::pong(""), Frame::pong("here I am"), Frame::pong(noise(MOST)), Frame::pong(*b"\xff\xc0")];
    let alone = pongs.clone().into_iter().enumerate().map(|(number, pong)| {
        Case::new(format!("pong {number}, then a ping")).send(join([pong, Frame::ping("?")])).pong("?")
    });
    let all = Case::new("several, then a text").send(join(pongs.clone())).send(Frame::text("x")).text("x");
    let chopped = Case::new("byte by byte").send_chopped(join(pongs), 1);
    hold(&house, alone.chain([all, chopped])).await;
}

#[tokio::test]
async fn a_control_frame_carries_no_more_than_125_bytes() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for size in [126, 127, 1000, 65535, 65536] {
        cases.push(Case::new(format!("a ping of {size} bytes")).send(Frame::ping(noise(size))));
        cases.push(Case::new(format!("a pong of {size} bytes")).send(Frame::pong(noise(size))));
        cases.push(Case::new(format!("a ping of {size} bytes in chops")).send_chopped(Frame::ping(noise(size)), 997));
        // Its header is wrong already: there is nothing to wait for.
        cases.push(
            Case::new(format!("the header of a ping of {size} bytes")).send(Frame::ping("").claiming(size as u64)),
        );
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1002))).await;
}
