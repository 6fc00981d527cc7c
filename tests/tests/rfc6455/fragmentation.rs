//! Messages in several frames (RFC 6455, 5.4), and control frames between them.

use channels_tests::frame::{BINARY, CONTINUATION, Frame, TEXT, fragments, join};

use crate::case::{Case, WHOLE, chops, hold};
use crate::framing::{noise, prose};
use crate::house::House;

/// Cuts bytes into so many parts; some of them may be empty.
fn parts(bytes: &[u8], count: usize) -> Vec<&[u8]> {
    (0..count).map(|part| &bytes[part * bytes.len() / count..(part + 1) * bytes.len() / count]).collect()
}

#[tokio::test]
async fn a_message_in_fragments_comes_back_whole() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for (size, counts) in
        [(0, &[2, 3, 10][..]), (11, &[2, 3, 5, 11, 30]), (1000, &[2, 7, 1000]), (200_000, &[2, 3, 61])]
    {
        for count in counts {
            let (text, data) = (prose(size), noise(size));
            let name = format!("{size} bytes in {count} fragments");
            for chop in [WHOLE, 1, 997] {
                if chop == 1 && size > 1000 {
                    continue;
                }
                let frames = |opcode, bytes| join(fragments(opcode, parts(bytes, *count)));
                let case = |kind| Case::new(format!("{kind}, {name}, {}", chops(chop)));
                cases.push(case("text").send_chopped(frames(TEXT, text.as_bytes()), chop).text(&*text));
                cases.push(case("binary").send_chopped(frames(BINARY, &data), chop).binary(&*data));
            }
        }
    }
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_fragment_may_be_empty() {
    let house = House::open().await;
    let shapes: [&[&str]; 8] = [
        &["", "hello"],
        &["hello", ""],
        &["", "hello", ""],
        &["hel", "", "lo"],
        &["", "", "", "hello"],
        &["", ""],
        &["", "", ""],
        &["h", "", "", "e", "", "llo", "", ""],
    ];
    let cases = shapes.into_iter().flat_map(|shape| {
        [TEXT, BINARY].map(|opcode| {
            let case = Case::new(format!("opcode {opcode}, {shape:?}")).send(join(fragments(opcode, shape)));
            if opcode == TEXT { case.text(shape.concat()) } else { case.binary(shape.concat()) }
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn control_frames_may_stand_between_fragments() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for count in [2, 3, 8] {
        let text = prose(400);
        let messages = fragments(TEXT, parts(text.as_bytes(), count));
        let name = |what, chop| format!("{what} between each of {count}, {}", chops(chop));
        for chop in [WHOLE, 1, 31] {
            let pings = (0..).map(|number: usize| Frame::ping(number.to_string()));
            let pinged = messages.iter().cloned().zip(pings).flat_map(|(frame, ping)| [frame, ping]);
            let case = Case::new(name("a ping", chop)).send_chopped(join(pinged), chop).text(&*text);
            cases.push((0..count).fold(case, |case, number| case.pong(number.to_string())));
            let ponged = messages.iter().cloned().flat_map(|frame| [frame, Frame::pong("x"), Frame::pong("")]);
            cases.push(Case::new(name("two pongs", chop)).send_chopped(join(ponged), chop).text(&*text));
        }
    }
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_ping_is_answered_before_the_message_around_it_is_complete() {
    let house = House::open().await;
    let case = Case::new("one after the other")
        .send(Frame::text("one, ").more())
        .send(Frame::ping("1"))
        .pong("1")
        .send(Frame::continuation("two, ").more())
        .send(join([Frame::ping("2"), Frame::ping("3")]))
        .pong("2")
        .pong("3")
        .send(Frame::continuation("three"))
        .text("one, two, three");
    hold(&house, [case]).await;
}

#[tokio::test]
async fn messages_in_fragments_follow_each_other() {
    let house = House::open().await;
    let frames = [
        fragments(TEXT, ["a", "b"]),
        vec![Frame::binary("c")],
        fragments(BINARY, ["d", "", "e"]),
        vec![Frame::text("f")],
        fragments(TEXT, ["", "g"]),
    ];
    let cases = [WHOLE, 1, 5].map(|chop| {
        Case::new(chops(chop))
            .send_chopped(join(frames.clone().into_iter().flatten()), chop)
            .text("ab")
            .binary("c")
            .binary("de")
            .text("f")
            .text("g")
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_control_frame_in_fragments_is_refused() {
    let house = House::open().await;
    let firsts = [("ping", Frame::ping("ha")), ("pong", Frame::pong("ha")), ("close", Frame::close(1000, "ha"))];
    let cases = firsts.into_iter().flat_map(|(name, first)| {
        let empty = Frame::new(first.bytes()[0] & 0x0f, "").more();
        let first = first.more();
        [
            Case::new(format!("a {name}")).send(first.clone()),
            Case::new(format!("an empty {name}")).send(empty),
            Case::new(format!("a {name} and its rest")).send(join([first.clone(), Frame::continuation("lf")])),
            Case::new(format!("a {name} byte by byte")).send_chopped(first.clone(), 1),
            Case::new(format!("a {name} within a message")).send(join([
                Frame::text("x").more(),
                first,
                Frame::continuation("y"),
            ])),
        ]
    });
    hold(&house, cases.map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn a_continuation_of_nothing_is_refused() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for payload in ["", "rest"] {
        for (end, frame) in
            [("final", Frame::continuation(payload)), ("not final", Frame::continuation(payload).more())]
        {
            let name = format!("{payload:?}, {end}");
            cases.push(Case::new(name.clone()).send(frame.clone()));
            cases.push(Case::new(format!("{name}, byte by byte")).send_chopped(frame.clone(), 1));
            cases.push(Case::new(format!("{name}, before a text")).send(join([frame.clone(), Frame::text("x")])));
            cases.push(
                Case::new(format!("{name}, behind a text")).send(join([Frame::text("x"), frame.clone()])).text("x"),
            );
            let complete = fragments(TEXT, ["x", "y"]).into_iter().chain([frame]);
            cases.push(Case::new(format!("{name}, behind a complete message")).send(join(complete)).text("xy"));
        }
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn a_new_message_within_another_is_refused() {
    let house = House::open().await;
    let mut cases = Vec::new();
    for first in [TEXT, BINARY] {
        for second in [TEXT, BINARY] {
            for between in [vec![], vec![Frame::new(CONTINUATION, "more").more()], vec![Frame::pong("")]] {
                for (end, frame) in [("final", Frame::new(second, "new")), ("not", Frame::new(second, "new").more())] {
                    let name = format!("{second} ({end}) within {first}, {} frames between", between.len());
                    let start = [Frame::new(first, "old").more()].into_iter().chain(between.clone());
                    cases.push(Case::new(name).send(join(start.chain([frame]))));
                }
            }
        }
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1002))).await;
}
