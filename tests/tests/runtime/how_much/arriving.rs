//! Bytes count while a message arrives: one that never ends, or takes its time, does not come for nothing.

use channels_tests::frame::{self, Frame};
use channels_tests::raw::Raw;
use channels_tests::socket::{self, soon};
use flate2::{Compress, Compression, FlushCompress};
use serde_json::{Value, json};

use super::*;

const BYTES: LimitName = LimitName::BytesPerConnection;

/// The next text frame of the server; pongs are left out.
async fn text(raw: &mut Raw) -> Value {
    loop {
        let (opcode, payload) = soon("an answer", raw.next()).await.unwrap();
        if opcode == frame::TEXT {
            return serde_json::from_slice(&payload).unwrap();
        }
    }
}

/// Sends all of them, and waits until the server has read them.
async fn read(raw: &mut Raw, frames: impl IntoIterator<Item = Frame>) {
    raw.write(&frame::join(frames.into_iter().chain([Frame::ping("")]))).await;
    assert_eq!(soon("a pong", raw.next()).await.map(|(opcode, _)| opcode), Some(frame::PONG));
}

fn quiet(id: u32) -> Frame {
    Frame::text(json!({"type": "quiet", "id": id}).to_string())
}

#[tokio::test]
async fn half_a_frame_is_refused_before_the_other_half_comes() {
    let large = Frame::text(json!({"type": "echo", "data": {"text": "x".repeat(100_000)}}).to_string()).bytes();
    let (half, rest) = large.split_at(large.len() / 2);

    let refusing = stage(&[("WS_BYTES_PER_CONNECTION", "1KiB/1h")]);
    let server = socket::serve(&refusing).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&quiet(1).bytes()).await;
    assert_eq!(text(&mut raw).await["re"], 1);
    raw.write(half).await;
    let told = text(&mut raw).await;
    assert_eq!(told["data"]["details"], json!({"limit": ["bytes_per_connection"], "refused": ["1"]}));
    assert!(told["re"].is_null());
    // The rest is dropped with it, and it has cost nothing.
    raw.write(&[rest, &quiet(2).bytes()].concat()).await;
    let answer = text(&mut raw).await;
    assert_eq!((&answer["type"], &answer["re"]), (&"$ok".into(), &2.into()));
    assert_eq!(counted(&refusing, BYTES), (1, 0), "one message, in however many parts");
    assert!(refusing.world.texts().is_empty());
    drop(raw);
    server.stop().await;

    let observing = observing(BYTES, "WS_BYTES_PER_CONNECTION", "1KiB/1h");
    let server = socket::serve(&observing).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&[&*quiet(1).bytes(), half].concat()).await;
    assert_eq!(text(&mut raw).await["re"], 1);
    raw.write(rest).await;
    assert_eq!(text(&mut raw).await["data"]["text"].as_str().map(str::len), Some(100_000));
    assert_eq!(counted(&observing, BYTES), (0, 1));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn unfinished_messages_of_several_connections_count_together() {
    let limit = LimitName::BytesPerUser;
    let vars = ("WS_BYTES_PER_USER", "1KiB/1h");
    for (stage, told) in [(stage(&[vars]), (1, 0)), (observing(limit, vars.0, vars.1), (0, 1))] {
        let server = socket::serve(&stage).await;
        let (mut one, mut other) =
            (Raw::open(server.address, "/ws/ada").await, Raw::open(server.address, "/ws/ada").await);
        let piece = "x".repeat(300);
        read(&mut one, [Frame::text(&*piece).more(), Frame::continuation(&*piece).more()]).await;
        // Neither ever ends.
        read(&mut other, [Frame::text(&*piece).more()]).await;
        assert_eq!(counted(&stage, limit), (0, 0));
        other.write(&Frame::continuation(&*piece).more().bytes()).await;
        soon("it is counted", stage.until(|_| counted(&stage, limit) == told)).await;
        if told.0 > 0 {
            assert_eq!(text(&mut other).await["data"]["details"]["limit"], json!(["bytes_per_user"]));
        }
        drop((one, other));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_message_larger_than_the_burst_passes_in_pieces_too_and_is_paid_for() {
    let stage = stage(&[("WS_BYTES_PER_CONNECTION", "1KiB/1h")]);
    let server = socket::serve(&stage).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    let large = json!({"type": "echo", "data": {"text": "x".repeat(5000)}}).to_string();
    let mut pieces = frame::fragments(frame::TEXT, large.as_bytes().chunks(500)).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_some() {
            read(&mut raw, [piece]).await;
        } else {
            raw.write(&piece.bytes()).await;
        }
    }
    assert_eq!(text(&mut raw).await["data"]["text"].as_str().map(str::len), Some(5000));
    raw.write(&quiet(1).bytes()).await;
    assert_eq!(text(&mut raw).await["data"]["details"]["limit"], json!(["bytes_per_connection"]));
    assert_eq!(counted(&stage, BYTES), (1, 0));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn what_pings_and_pongs_carry_counts() {
    let vars = ("WS_BYTES_PER_CONNECTION", "1KiB/1h");
    for (stage, told) in [(stage(&[vars]), (2, 0)), (observing(BYTES, vars.0, vars.1), (0, 2))] {
        let server = socket::serve(&stage).await;
        let mut raw = Raw::open(server.address, "/ws/ada").await;
        let eight = (0..4).flat_map(|_| [Frame::ping([7; 125]), Frame::pong([7; 125])]);
        // Without any, there is nothing to be paid for.
        let frames = eight.chain([Frame::ping([7; 125]), Frame::pong([7; 125]), Frame::ping(""), quiet(1)]);
        raw.write(&frame::join(frames)).await;
        let (mut texts, mut pongs) = (Vec::new(), 0);
        while pongs < 6 || texts.is_empty() {
            match soon("an answer", raw.next()).await.unwrap() {
                (frame::TEXT, payload) => texts.push(serde_json::from_slice::<Value>(&payload).unwrap()),
                (opcode, _) => pongs += usize::from(opcode == frame::PONG),
            }
        }
        if told.0 > 0 {
            assert_eq!(texts[0]["data"]["details"]["limit"], json!(["bytes_per_connection"]));
            texts.remove(0);
        }
        let answer = if texts.is_empty() { text(&mut raw).await } else { texts.remove(0) };
        assert_eq!(answer["re"], 1, "24 bytes were left");
        assert_eq!(counted(&stage, BYTES), told);
        drop(raw);
        server.stop().await;
    }
}

/// As permessage-deflate has it: without the empty block at the end.
fn deflated(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    Compress::new(Compression::best(), false).compress_vec(text.as_bytes(), &mut bytes, FlushCompress::Sync).unwrap();
    bytes.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

#[tokio::test]
async fn what_was_compressed_costs_what_it_is_uncompressed() {
    let stage = stage(&[("WS_BYTES_PER_CONNECTION", "10KiB/1h"), ("WS_COMPRESSION", "true")]);
    let server = socket::serve(&stage).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut raw = Raw::open_with(server.address, "/ws/ada", offer).await;
    let small = deflated(&json!({"type": "echo", "data": {"text": "x".repeat(5000)}}).to_string());
    assert!(small.len() < 100, "{}", small.len());
    let (half, rest) = small.split_at(small.len() / 2);
    for _ in 0..3 {
        let frames = [Frame::text(half).rsv(4).more(), Frame::ping(""), Frame::continuation(rest)];
        raw.write(&frame::join(frames)).await;
    }
    soon("the third is too much", stage.until(|_| counted(&stage, BYTES) == (1, 0))).await;
    raw.write(&Frame::close(1000, "").bytes()).await;
    assert_eq!(raw.closed().await, Some(1000));
    assert_eq!(stage.world.texts().len(), 2);
    drop(raw);
    server.stop().await;
}
