//! What happens to one connection costs no other its own.

use axum::Router;
use channels::prelude::*;
use channels::testing;
use channels::{Error, OutboxPolicy};
use channels_tests::probe::{Stage, World};
use channels_tests::socket::serve;
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct To {
    user: UserId,
}

#[derive(Debug, Incoming)]
enum Ask {
    Poke(To),
    Flood(To),
    Late,
}

#[derive(Clone, Debug, Outgoing)]
enum Said {
    Poked(To),
    Failed(String),
}

struct Poker {
    user: UserId,
}

#[consumer(incoming = Ask, outgoing = Said)]
impl Poker {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    /// Sends to connections by hand, and fails with the first that takes nothing.
    #[on("poke")]
    fn poke(&self, to: To, layer: ChannelLayer) -> Result<(), Error> {
        for connection in layer.registry().user_connections(&to.user) {
            connection.close("poked too often");
            while connection.send(Said::Poked(to.clone())).is_ok() {}
            connection.send(Said::Poked(to.clone()))?;
        }
        Ok(())
    }

    /// More replies than an outbox takes.
    #[on("flood")]
    fn flood(&self, to: To) -> Vec<To> {
        vec![to; 50]
    }

    #[on("late")]
    fn late(&self) {}

    #[error]
    fn failed(&self, error: Error) -> Said {
        Said::Failed(error.name().to_owned())
    }
}

fn small() -> Config {
    Config::builder().outbox_messages(10).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_send_to_an_ended_connection_fails_and_does_not_end_the_senders() {
    let layer = ChannelLayer::memory_with(small());
    let mut ada = testing::connect::<Poker>(&layer, ()).path("/ws/ada").await.unwrap();
    let mut bob = testing::connect::<Poker>(&layer, ()).path("/ws/bob").await.unwrap();
    bob.request(1, "late", &json!({})).await;
    assert_eq!(bob.next_message().await.name, "$ok");
    bob.stop_reading();
    ada.send("poke", &json!({ "user": "bob" })).await;
    assert_eq!(ada.recv::<String>().await, "CONNECTION_ERROR");
    ada.request(1, "late", &json!({})).await;
    assert_eq!(ada.next_message().await.re, Some(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_the_policy_drops_is_no_error_and_is_told() {
    let layer = ChannelLayer::memory_with(small());
    let route = layer.serve::<Poker>().outbox_policy(OutboxPolicy::DropNewest).into_route();
    let app: Router = Router::new().route("/ws/{user}", route);
    let mut ada = testing::connect_to(&app).path("/ws/ada").protocol("channels.v1.json").await.unwrap();
    ada.stop_reading();
    ada.send("flood", &json!({ "user": "ada" })).await;
    // While nothing is read: the handler has run when it has been counted.
    while layer.stats().dropped == 0 {
        tokio::task::yield_now().await;
    }
    ada.go_on_reading();
    for _ in 0..10 {
        assert_eq!(ada.next_message().await.name, "poked");
    }
    let told = ada.next_message().await;
    assert_eq!((told.name.as_str(), &told.data["count"]), ("$dropped", &json!(40)));
    assert_eq!(layer.stats().errors_total(), 0);
    ada.request(1, "late", &json!({})).await;
    assert_eq!(ada.next_message().await.name, "$ok");
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_reaches_the_error_hook_only_where_an_answer_is_owed() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Poker>(&layer, ()).path("/ws/ada").await.unwrap();
    ada.send_text(r#"{"type":"late","ttl_seconds":0}"#).await;
    ada.assert_silent().await;
    ada.send_text(r#"{"type":"late","ttl_seconds":0,"id":"x"}"#).await;
    let answer = ada.next_message().await;
    assert_eq!((answer.name.as_str(), answer.re), ("failed", Some(json!("x"))));
}

#[tokio::test]
async fn a_client_that_sends_thousands_at_once_gets_no_listener_closed_as_slow() {
    const MESSAGES: usize = 10_000;
    // One thread for all: while one task does not yield, no other is written to.
    // The outbox takes what comes between two looks of the runtime at its sockets, and far from all.
    let config = Config::builder().outbox_messages(MESSAGES / 5).build().unwrap();
    let stage = Stage::with(World { groups: vec!["rust"], ..World::default() }, config);
    let server = serve(&stage).await;
    let (mut ada, mut bob) = (server.connect("ada").await, server.connect("bob").await);
    for client in [&mut ada, &mut bob] {
        // Who gets an answer has joined.
        client.request("quiet", json!({})).await;
    }
    // Her own copies would slow her down.
    ada.request("leave", json!({ "group": "rust" })).await;
    let reader = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            let frame = bob.next().await;
            assert!(matches!(frame, Some(Ok(Message::Text(_)))), "{frame:?}");
        }
    });
    let say = json!({ "type": "say", "data": { "group": "rust", "text": "x" } }).to_string();
    for _ in 0..MESSAGES {
        ada.0.feed(Message::text(say.clone())).await.unwrap();
    }
    ada.0.flush().await.unwrap();
    reader.await.unwrap();
    assert_eq!(stage.layer.stats().dropped, 0);
}
