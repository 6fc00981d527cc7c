//! A message on its way out: the envelope, written once for everybody.

mod setup;

use std::hint::black_box;

use channels::prelude::*;
use criterion::Throughput;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Text {
    room: String,
    text: String,
}

#[derive(Debug, Outgoing)]
enum ServerMessage {
    ChatMessage(Text),
    Pong,
}

fn main() {
    let mut criterion = setup::criterion();
    let mut group = criterion.benchmark_group("encode");
    group.bench_function("no payload", |bencher| bencher.iter(|| black_box(ServerMessage::Pong).to_json(None)));
    for length in [20, 100, 5_000] {
        let message = ServerMessage::ChatMessage(Text { room: "rust".into(), text: "x".repeat(length) });
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(format!("{length} characters"), |bencher| {
            bencher.iter(|| black_box(&message).to_json(None));
        });
    }
    group.finish();
    criterion.final_summary();
}
