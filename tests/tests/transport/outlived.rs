//! A router that outlives the runtime that served it first.

use std::sync::Arc;
use std::time::Duration;

use channels::Config;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::app;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};

/// More than two sockets hold, and less than the outbox.
const MANY: usize = 200;
const LARGE: usize = 100_000;

#[test]
fn a_router_serves_on_another_runtime_as_on_the_first() {
    let config = Config::builder().outbox_bytes(64 << 20).build().unwrap();
    let stage = Stage::with(World { groups: vec!["all"], ..World::default() }, config);
    let router = app(&stage);
    for round in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let _running = Running::start(&stage, listener, router.clone());
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let stream = soon("connecting", socket.connect(address)).await.unwrap();
            let mut ada = Socket::over(stream, format!("ws://{address}/ws/ada")).await.unwrap();
            assert_eq!(ada.request("echo", json!({"text": "hi"})).await["data"]["text"], "hi");
            // What its socket does not take at once is written by a task: on the runtime that is there now.
            for number in 0..MANY {
                let text = format!("{number} {}", "x".repeat(LARGE));
                stage.layer.send_to_group("all", ServerMessage::Said(Text { text })).await.unwrap();
            }
            for number in 0..MANY {
                let message = soon("what was left over", ada.next_json()).await;
                let text = message["data"]["text"].as_str().unwrap();
                assert!(text.starts_with(&format!("{number} ")), "round {round}: {}", &text[..10]);
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
        assert_eq!(stage.layer.registry().connection_count(), 0, "its sessions ended with it");
        assert!(Arc::strong_count(&stage.world) >= 2, "the router is still there");
    }
}
