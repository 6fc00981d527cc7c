//! Reserved bits and opcodes (RFC 6455, 5.2): where no extension gives them a meaning, they end the connection.

use channels_tests::frame::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, join};

use crate::case::{Case, hold};
use crate::house::House;

const OPCODES: [(u8, &str); 6] = [
    (CONTINUATION, "continuation"),
    (TEXT, "text"),
    (BINARY, "binary"),
    (CLOSE, "close"),
    (PING, "ping"),
    (PONG, "pong"),
];

fn wrong(opcode: u8, bits: u8) -> Frame {
    let frame = if opcode == CLOSE { Frame::close(1000, "") } else { Frame::new(opcode, "hello") };
    frame.rsv(bits)
}

#[tokio::test]
async fn a_reserved_bit_ends_the_connection() {
    let house = House::open().await;
    let cases = OPCODES.into_iter().flat_map(|(opcode, name)| {
        (1..=7).flat_map(move |bits| {
            let name = format!("{bits:03b} on {name}");
            // A continuation needs something to continue, so that nothing else is wrong about it.
            let start = if opcode == CONTINUATION { Frame::text("hi ").more().bytes() } else { Vec::new() };
            let frame = [start, wrong(opcode, bits).bytes()].concat();
            let empty = Frame::new(opcode, "").rsv(bits);
            let mut cases = vec![
                Case::new(name.clone()).send(&*frame),
                Case::new(format!("{name}, byte by byte")).send_chopped(&*frame, 1),
                Case::new(format!("{name}, and a ping behind")).send([&*frame, &Frame::ping("").bytes()].concat()),
            ];
            if opcode != CONTINUATION {
                cases.push(Case::new(format!("{name}, empty")).send(empty));
            }
            cases
        })
    });
    hold(&house, cases.map(|case| case.failed(1002))).await;
}

#[tokio::test]
async fn what_came_before_a_reserved_bit_is_answered() {
    let house = House::open().await;
    let cases = OPCODES.into_iter().filter(|(opcode, _)| *opcode != CONTINUATION).flat_map(|(opcode, name)| {
        (1..=7).map(move |bits| {
            let sent = join([Frame::text("before"), wrong(opcode, bits), Frame::text("after")]);
            Case::new(format!("{bits:03b} on {name}")).send(sent).text("before").failed(1002)
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_reserved_opcode_ends_the_connection() {
    let house = House::open().await;
    let cases = (3..=7).chain(11..=15).flat_map(|opcode| {
        let full = Frame::new(opcode, "hello");
        [
            Case::new(format!("{opcode}, empty")).send(Frame::new(opcode, "")),
            Case::new(format!("{opcode}")).send(full.clone()),
            Case::new(format!("{opcode}, byte by byte")).send_chopped(full.clone(), 1),
            Case::new(format!("{opcode}, not final")).send(full.clone().more()),
            Case::new(format!("{opcode}, 200 bytes")).send(Frame::new(opcode, [7; 200])),
            Case::new(format!("{opcode}, then a ping")).send(join([full.clone(), Frame::ping("")])),
            Case::new(format!("{opcode} after a text"))
                .send(join([Frame::text("before"), full.clone()]))
                .text("before"),
            Case::new(format!("{opcode} within a message")).send(join([
                Frame::text("be").more(),
                full,
                Frame::continuation("fore"),
            ])),
        ]
    });
    hold(&house, cases.map(|case| case.failed(1002))).await;
}
