//! Putting a message into the outbox of one connection, and taking it out again.

#![allow(clippy::unwrap_used, reason = "what fails here, fails the benchmark")]

mod setup;

use std::time::{Duration, Instant};

use channels::prelude::*;
use channels::testing;
use criterion::Throughput;
use tokio::runtime::Builder;

/// At once: less than an outbox holds.
const BATCH: u64 = 256;

#[derive(Clone, Copy, Debug, Outgoing)]
enum ServerMessage {
    Tick(u64),
}

#[derive(Default)]
struct Silent;

#[consumer(outgoing = ServerMessage)]
impl Silent {
    #[on_text]
    fn ignored(&self, _text: ByteString) {}
}

fn main() {
    let mut criterion = setup::criterion();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let layer = ChannelLayer::memory();
    let mut client = runtime.block_on(async { testing::connect::<Silent>(&layer, ()).await.unwrap() });
    let conn = client.connection().clone();
    let mut group = criterion.benchmark_group("outbox");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("256 messages in", |bencher| {
        bencher.iter_custom(|times| {
            let mut taken = Duration::ZERO;
            for _ in 0..times {
                let began = Instant::now();
                (0..BATCH).for_each(|number| conn.send(ServerMessage::Tick(number)).unwrap());
                taken += began.elapsed();
                runtime.block_on(async {
                    for _ in 0..BATCH {
                        client.next_frame().await;
                    }
                });
            }
            taken
        });
    });
    group.bench_function("256 messages in and out", |bencher| {
        bencher.iter(|| {
            (0..BATCH).for_each(|number| conn.send(ServerMessage::Tick(number)).unwrap());
            runtime.block_on(async {
                for _ in 0..BATCH {
                    client.next_frame().await;
                }
            });
        });
    });
    group.finish();
    criterion.final_summary();
}
