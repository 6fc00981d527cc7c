//! What happens before and after a function is called, and in which order.

use channels::extract::Hook;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{Error, ErrorCode};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Text {
    #[garde(length(chars, max = 3))]
    text: String,
}

#[derive(Incoming)]
enum In {
    Say(Text),
    Count,
    Several,
}

#[derive(Outgoing)]
enum Out {
    Said(Text),
    Counted(u8),
}

/// Refuses everybody.
struct Refused;

impl<S: Send + Sync, H: Hook> Extract<S, H> for Refused {
    async fn extract(_: &Context<'_, S, H>) -> Result<Self, Error> {
        Err(Error::new(ErrorCode::AuthorizationFailed, "No."))
    }
}

#[derive(Default)]
struct Strict {
    called: u8,
}

#[consumer(incoming = In, outgoing = Out)]
impl Strict {
    #[on("say")]
    #[rate_limit(3, per = "1h")]
    #[validate]
    async fn say(&mut self, text: Text, _refused: Refused) -> Text {
        self.called += 1;
        text
    }

    #[on("count")]
    fn count(&self) -> impl Reply<Out> + use<> {
        Out::Counted(self.called)
    }

    #[on("several")]
    async fn several(&mut self, connection: Connection) -> Result<Vec<Option<Out>>, Error> {
        let _ = connection;
        Ok(vec![Some(Out::Counted(1)), None, Some(Out::Counted(2))])
    }

    #[on_binary]
    #[rate_limit(1, per = "1h")]
    fn binary(&self, mut data: Vec<u8>) -> Bytes {
        data.reverse();
        data.into()
    }
}

async fn error_code(client: &mut Client) -> String {
    let told = client.next_message().await;
    assert_eq!(told.name, "error");
    told.data["error_code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_limit_comes_before_the_payload_a_rule_before_the_extractors_and_the_call_last() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Strict>(&layer, ()).await.unwrap();
    let payloads = [json!({}), json!({"text": "long"}), json!({"text": "ok"}), json!({})];
    let told = ["VALIDATION_FAILED", "VALIDATION_FAILED", "AUTHORIZATION_FAILED", "RATE_LIMIT_EXCEEDED"];
    for (payload, told) in payloads.iter().zip(told) {
        ada.send("say", payload).await;
        assert_eq!(error_code(&mut ada).await, told, "{payload}");
    }
    ada.send("count", &json!({})).await;
    assert_eq!(ada.recv_type::<u8>("counted").await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_is_the_reply() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Strict>(&layer, ()).await.unwrap();
    ada.send("several", &json!({})).await;
    assert_eq!(ada.recv_type::<u8>("counted").await, 1);
    assert_eq!(ada.recv_type::<u8>("counted").await, 2);
    ada.send_binary(vec![1, 2, 3]).await;
    assert_eq!(ada.next_frame().await, channels::message::Frame::Binary(Bytes::from_static(&[3, 2, 1])));
    ada.send_binary(vec![1]).await;
    assert_eq!(error_code(&mut ada).await, "RATE_LIMIT_EXCEEDED");
}

/// Shouts.
#[derive(Default)]
struct Raw;

#[consumer]
impl Raw {
    #[connect]
    fn connected(&mut self) -> Option<Bytes> {
        None
    }

    #[on_text]
    async fn text(&mut self, text: String, id: ConnectionId) -> Result<String, Error> {
        let _ = id;
        if text.is_empty() { Err(Error::validation("text", "is empty")) } else { Ok(text.to_uppercase()) }
    }

    #[error]
    async fn failed(&mut self, error: Error) -> String {
        format!("! {}", error.message())
    }
}

#[tokio::test(start_paused = true)]
async fn raw_text_and_errors_go_where_they_are_taken() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Raw>(&layer, ()).await.unwrap();
    for (said, heard) in [("hi", "HI"), ("", "! text: is empty"), ("{\"type\":\"ping\"}", "{\"TYPE\":\"PING\"}")] {
        ada.send_text(said).await;
        assert_eq!(ada.next_frame().await, channels::message::Frame::Text(heard.into()));
    }
}
