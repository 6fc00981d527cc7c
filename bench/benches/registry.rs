//! Groups: joining, leaving, and a message to their members, up to their outboxes.

#![allow(clippy::unwrap_used, reason = "what fails here, fails the benchmark")]

mod setup;

use std::time::{Duration, Instant};

use channels::prelude::*;
use channels::testing::{self, Client};
use criterion::{BenchmarkId, Throughput};
use tokio::runtime::Builder;

#[derive(Clone, Copy, Debug, Outgoing)]
enum ServerMessage {
    Tick(u64),
}

#[derive(Default)]
struct Member;

#[consumer(outgoing = ServerMessage)]
impl Member {
    #[on_text]
    fn ignored(&self, _text: ByteString) {}
}

fn main() {
    let mut criterion = setup::criterion();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let layer = ChannelLayer::memory();
    let mut group = criterion.benchmark_group("registry");

    let client = runtime.block_on(client(&layer));
    let conn = client.connection();
    group.bench_function("join and leave a new group", |bencher| {
        bencher.iter(|| {
            runtime.block_on(conn.join("alone")).unwrap();
            conn.leave("alone")
        });
    });

    for members in [1, 10, 1_000] {
        let name = format!("group of {members}");
        let mut clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..members {
                let client = self::client(&layer).await;
                client.connection().join(&name).await.unwrap();
                clients.push(client);
            }
            clients
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("join and leave a group of", members), |bencher| {
            bencher.iter(|| {
                runtime.block_on(conn.join(&name)).unwrap();
                conn.leave(&name)
            });
        });
        group.throughput(Throughput::Elements(members));
        group.bench_function(BenchmarkId::new("send to a group of", members), |bencher| {
            bencher.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for number in 0..times {
                    let began = Instant::now();
                    runtime.block_on(layer.send_to_group(&name, ServerMessage::Tick(number))).unwrap();
                    taken += began.elapsed();
                    // Taking it out is not the group's work.
                    runtime.block_on(async {
                        for client in &mut clients {
                            client.next_frame().await;
                        }
                    });
                }
                taken
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

async fn client(layer: &ChannelLayer) -> Client {
    testing::connect::<Member>(layer, ()).await.unwrap()
}
