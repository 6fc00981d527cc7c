//! Whatever `REDIS_URL` leads to.

use channels_tests::redis::{RedisCluster, RedisServer, Sentinels};
use serde_json::json;

use super::pair::{eventually, status};
use crate::server::{Folder, Server};

/// Two chats, each hears the other, and both count both.
async fn two_talk(variables: &[(&str, &str)]) {
    let folder = Folder::new();
    let database = format!("sqlite://{}?mode=rwc", folder.0.join("shared.db").display());
    let mut all = vec![("BACKEND_TYPE", "redis"), ("DATABASE_URL", database.as_str()), ("RUST_LOG", "error")];
    all.extend_from_slice(variables);
    let (one, other) = tokio::join!(Server::start_in(&folder, &all), Server::start_in(&folder, &all));
    let (mut ada, mut bob) = (one.connect("ada").await, other.connect("bob").await);
    ada.join("rust").await;
    bob.join("rust").await;
    ada.expect("user_joined_room").await;
    ada.send("chat_message", json!({ "room": "rust", "text": "hi" })).await;
    bob.send("private_message", json!({ "target_user_id": "ada", "text": "psst" })).await;
    assert_eq!(bob.until("chat_message").await["text"], "hi");
    assert_eq!(ada.until("private_message").await["text"], "psst");
    let wanted = json!({ "servers": 2, "connections": 2, "users": 2 });
    for server in [&one, &other] {
        eventually("the cluster", async || status(server).await["cluster"].clone(), |is| *is == wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_talk_over_tls_with_a_private_authority() {
    let redis = RedisServer::options().tls().user("ada", "s3cret").start();
    two_talk(&[("REDIS_URL", &redis.tls_url()), ("REDIS_TLS_CA_FILE", redis.ca_file().to_str().unwrap())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_talk_over_the_master_of_sentinels() {
    two_talk(&[("REDIS_URL", &Sentinels::start(1).url())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_talk_over_a_cluster() {
    two_talk(&[("REDIS_URL", &RedisCluster::start().url())]).await;
}
