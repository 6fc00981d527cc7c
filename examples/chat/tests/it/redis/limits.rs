//! Limits hold over both servers together.

use serde_json::json;

use super::pair::{Pair, eventually};
use crate::client::{Client, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_a_user_and_of_all_are_limited_together_and_places_come_back() {
    let pair = Pair::with(&[("MAX_CONNECTIONS_PER_CLIENT", "2"), ("MAX_TOTAL_CONNECTIONS", "3")]).await;
    let one = pair.one.connect("ada").await;
    let _two = pair.other.connect("ada").await;
    for server in pair.both() {
        assert_eq!(refused(&server.address, "/ws/ada").await, 429);
    }
    let bob = pair.one.connect("bob").await;
    for server in pair.both() {
        assert_eq!(refused(&server.address, "/ws/eve").await, 503);
    }
    one.close().await;
    bob.close().await;
    let mut again = Vec::new();
    for user in ["ada", "eve"] {
        let connect = async || Client::try_connect(&pair.other.address, user).await;
        again.push(eventually("a place comes back", connect, Result::is_ok).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_rate_is_shared_by_both_servers_and_not_reset_by_coming_back() {
    // Slow enough that nothing is refilled while the test looks.
    let pair = Pair::with(&[("WS_RATE_LIMITS", "posting=20/1h")]).await;
    let (mut one, mut other) = (pair.one.connect("ada").await, pair.other.connect("ada").await);
    one.join("rust").await;
    other.join("rust").await;
    let say = async |client: &mut Client| {
        client.send("chat_message", json!({ "room": "rust", "text": "x" })).await;
        client.until("chat_message").await;
    };
    for _ in 0..10 {
        say(&mut one).await;
        say(&mut other).await;
        // Each also hears what the other said.
        one.until("chat_message").await;
        other.settle().await;
    }
    let mut back = pair.other.connect("ada").await;
    back.join("rust").await;
    for client in [&mut one, &mut other, &mut back] {
        client.send("chat_message", json!({ "room": "rust", "text": "x" })).await;
        assert_eq!(client.refusal().await, "RATE_LIMIT_EXCEEDED");
    }
    // Another user has a rate of their own.
    let mut bob = pair.other.connect("bob").await;
    bob.join("rust").await;
    say(&mut bob).await;
}
