//! What `#[error]` says, where that cannot be written or expressed: the request has an answer all the same.

use channels::message::Frame;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{Config, Error};
use channels_tests::logs::Logs;
use serde_json::{Value, json};
use tracing::Level;

use super::fragile::{BinaryJson, Word};

#[derive(Debug, Incoming)]
enum In {
    Alone(String),
    Beside(String),
    Fine,
}

#[derive(Clone, Debug, Outgoing)]
enum Out {
    Said(Word),
}

/// Fails with what it is told to, and says that word, and more after a comma.
#[derive(Default)]
struct Sorry;

#[consumer(incoming = In, outgoing = Out)]
impl Sorry {
    #[on("alone")]
    fn alone(&self, words: String) -> Result<(), Error> {
        Err(Error::authorization(words))
    }

    #[on("beside", concurrency = 2)]
    async fn beside(&self, words: String) -> Result<(), Error> {
        Err(Error::authorization(words))
    }

    #[on("fine")]
    fn fine(&self) {}

    #[error]
    fn failed(&self, error: Error) -> Vec<Result<Out, Error>> {
        let words = error.message().to_owned();
        let (word, then) = words.split_once(", ").unwrap_or((&words, ""));
        let mut said = vec![Ok(Out::Said(Word(word.to_owned())))];
        match then {
            "asked" => said.push(Err(error)),
            "own" => said.push(Err(Error::backend("It is away."))),
            _ => {}
        }
        said
    }
}

async fn heard(client: &mut Client) -> Value {
    match client.next_frame().await {
        Frame::Text(text) => serde_json::from_str(&text).unwrap(),
        Frame::Binary(bytes) => serde_json::from_slice(&bytes).unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_apology_that_cannot_be_said_is_answered_by_an_error_with_the_re() {
    let layer = ChannelLayer::builder(Config::default()).serializer(BinaryJson).connect().await.unwrap();
    let app = axum::Router::new().route("/", layer.serve::<Sorry>().into_route());
    let mut ada = testing::connect_to(&app).protocol("channels.v1.binary-json").await.unwrap();
    let mut counted = 0;
    for words in ["encoded", "inexpressible", "written", "written, asked", "written, own"] {
        for name in ["alone", "beside"] {
            let (what, logs) = (format!("{name} {words}"), Logs::listen());
            ada.send_text(json!({"type": name, "id": 1, "data": words}).to_string()).await;
            let told = heard(&mut ada).await;
            assert_eq!((&told["data"]["error_code"], &told["re"]), (&json!("SYSTEM_ERROR"), &json!(1)), "{what}");
            let lines = logs.with("error_id", told["data"]["error_id"].as_str().unwrap());
            assert_eq!(lines.iter().map(|line| line.level).collect::<Vec<_>>(), [Level::ERROR], "{what}");
            // What `#[error]` was asked about, and its own fault.
            counted += 2;
            assert_eq!(layer.stats().errors_total(), counted, "{what}");
            ada.send_text(r#"{"type":"fine","id":2}"#).await;
            let fine = heard(&mut ada).await;
            assert_eq!((&fine["type"], &fine["re"]), (&json!("$ok"), &json!(2)), "{what}: it lives on");
        }
    }
}

/// The same where all that it says can be said.
#[tokio::test(start_paused = true)]
async fn what_is_said_before_an_error_goes_out_without_the_re() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Sorry>(&layer, ()).await.unwrap();
    for (words, code) in [("no, asked", "AUTHORIZATION_FAILED"), ("no, own", "BACKEND_ERROR")] {
        ada.request(1, "alone", &words).await;
        let said = ada.next_message().await;
        assert_eq!((said.name.as_str(), said.re), ("said", None), "{words}");
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], told.re), (&json!(code), Some(json!(1))), "{words}");
    }
}
