//! Panics of an application's code: nothing of their connections is left in Redis, as any other server sees it.

use std::time::Duration;

use channels::{ChannelLayer, CloseCode};
use channels_tests::probe::{Act, Stage, World};
use channels_tests::redis::RedisServer;
use channels_tests::socket::soon;
use serde_json::json;

use crate::servers::{config, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_leaves_nothing_behind_on_any_server() {
    let redis = RedisServer::start();
    // A place that is not given back would refuse the next connection, wherever that is.
    let config = config(&redis.url()).max_connections_per_client(1).build().unwrap();
    let other = server(&config).await;
    for (on_connect, on_disconnect) in
        [(Act::Nothing, Act::Nothing), (Act::Panic, Act::Nothing), (Act::Nothing, Act::Panic)]
    {
        let world = World { on_connect, on_disconnect, groups: vec!["lobby"], ..World::default() };
        let one = Stage::over(world, ChannelLayer::connect(config.clone()).await.unwrap());
        for round in 1..=2 {
            let mut ada = one.connect("ada").await;
            if matches!(on_connect, Act::Panic) {
                assert_eq!(ada.next_message().await.data["error_code"], "SYSTEM_ERROR");
                assert_eq!(ada.closed().await.code(), CloseCode::INTERNAL_ERROR);
            } else {
                ada.request(round, "panic", &()).await;
                let told = ada.next_message().await;
                assert_eq!((&told.data["error_code"], told.re), (&json!("SYSTEM_ERROR"), Some(json!(round))));
                soon("it lives on", counted(&other, 1)).await;
                ada.close(1000).await;
            }
            for stage in [&one, &other] {
                soon("nothing is left", counted(stage, 0)).await;
            }
            assert_eq!(one.world.ends().len(), round, "`#[disconnect]`");
        }
    }
}

/// Waits until a server says that there are so many connections, users, and members of the lobby.
async fn counted(stage: &Stage, expected: usize) {
    loop {
        let counts = stage.layer.counts().await.unwrap();
        let members = stage.layer.group_len("lobby").await.unwrap();
        if (counts.connections, counts.users, members) == (expected, expected, expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
