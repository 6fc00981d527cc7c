//! Requests of idempotent handlers that had done something when they failed: alone, and beside others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use channels::message::{Frame, Serializer};
use channels::prelude::*;
use channels::testing::{self, Client, Received};
use channels::{BoxError, Config, Error, ErrorCode};
use channels_tests::cluster;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

/// What a handler does, after it has written to its database.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Way {
    /// Needs longer than one may whose client has left, and less than its own time-out.
    TakesLong,
    AnswersAndFails,
    AnswersAndHangs,
    AnswersAndFailsTheClient,
    LosesItsClient,
    AnswersAndLosesItsClient,
    LosesItsClientAndAnswers,
    LosesItsClientAnswersAndFails,
}

impl Way {
    fn begins_without_its_client(self) -> bool {
        matches!(self, Self::LosesItsClient | Self::LosesItsClientAndAnswers | Self::LosesItsClientAnswersAndFails)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Joined {
    run: usize,
}

#[derive(Debug, Incoming)]
enum Ask {
    Alone(Way),
    Beside(Way),
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Joined(Joined),
    Noise,
}

type Runs = Arc<AtomicUsize>;

async fn join(way: Way, answer: &Answer, conn: &Connection, runs: &Runs) -> Result<(), Error> {
    let joined = Tell::Joined(Joined { run: runs.fetch_add(1, Ordering::SeqCst) + 1 });
    if matches!(way, Way::TakesLong) {
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    if way.begins_without_its_client() {
        let gone = loop {
            if let Err(gone) = conn.send(Tell::Noise) {
                break gone;
            }
        };
        if matches!(way, Way::LosesItsClient) {
            return Err(gone);
        }
    }
    answer.send(joined)?;
    match way {
        Way::TakesLong | Way::LosesItsClientAndAnswers => Ok(()),
        Way::AnswersAndFails | Way::LosesItsClientAnswersAndFails => {
            Err(Error::new(ErrorCode::BackendError, "Not now."))
        }
        Way::AnswersAndHangs => std::future::pending().await,
        Way::AnswersAndFailsTheClient => Err(Error::rate_limited(Duration::from_secs(1))),
        Way::AnswersAndLosesItsClient => loop {
            conn.send(Tell::Noise)?;
        },
        Way::LosesItsClient => unreachable!("it has failed"),
    }
}

struct Room {
    user: UserId,
}

#[consumer(incoming = Ask, outgoing = Tell, state = Runs)]
impl Room {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[on("alone", timeout = "20s")]
    #[idempotent(window = "5m")]
    async fn alone(
        &mut self,
        way: Way,
        answer: Answer,
        conn: Connection,
        State(runs): State<Runs>,
    ) -> Result<(), Error> {
        join(way, &answer, &conn, &runs).await
    }

    #[on("beside", concurrency = 2, timeout = "20s")]
    #[idempotent(window = "5m")]
    async fn beside(&self, way: Way, answer: Answer, conn: Connection, State(runs): State<Runs>) -> Result<(), Error> {
        join(way, &answer, &conn, &runs).await
    }
}

const HANDLERS: [&str; 2] = ["alone", "beside"];

async fn connect(layer: &ChannelLayer, runs: &Runs) -> Client {
    testing::connect::<Room>(layer, Arc::clone(runs)).path("/ws/ada").await.unwrap()
}

/// Waits until the handler has begun and its connection has ended.
async fn left(layer: &ChannelLayer, runs: &Runs) {
    while runs.load(Ordering::SeqCst) == 0 || layer.stats().connections > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn code(told: &Received) -> &str {
    told.data["error_code"].as_str().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_stays_answered_whatever_fails_afterwards() {
    for name in HANDLERS {
        for (way, failure) in [
            (Way::AnswersAndFails, "BACKEND_ERROR"),
            (Way::AnswersAndHangs, "TIMEOUT_ERROR"),
            (Way::AnswersAndFailsTheClient, "RATE_LIMIT_EXCEEDED"),
        ] {
            let what = format!("{name} {way:?}");
            let (layer, runs) = (ChannelLayer::memory(), Runs::default());
            let mut ada = connect(&layer, &runs).await;
            ada.request(1, name, &way).await;
            let first = [ada.next_message().await, ada.next_message().await];
            assert_eq!((&first[0].name, &first[0].re), (&"joined".to_owned(), &Some(json!(1))), "{what}");
            assert_eq!((code(&first[1]), &first[1].re), (failure, &None), "{what}");
            let mut elsewhere = connect(&layer, &runs).await;
            elsewhere.request(1, name, &way).await;
            assert_eq!([elsewhere.next_message().await, elsewhere.next_message().await], first, "{what}");
            assert_eq!(runs.load(Ordering::SeqCst), 1, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_stays_answered_where_the_handler_is_dropped_at_the_drains_deadline() {
    for name in HANDLERS {
        let (runs, mut layers) = (Runs::default(), Vec::new());
        for node in cluster::nodes(2) {
            let config = Config::builder().drain_timeout(Duration::from_secs(5)).build().unwrap();
            layers.push(ChannelLayer::builder(config).backend(node).connect().await.unwrap());
        }
        let mut ada = connect(&layers[0], &runs).await;
        ada.request(1, name, &Way::AnswersAndHangs).await;
        let first = ada.next_message().await;
        layers[0].drained().await;
        let mut again = connect(&layers[1], &runs).await;
        again.request(1, name, &Way::AnswersAndHangs).await;
        assert_eq!(again.next_message().await, first, "{name}");
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_client_was_gone_does_not_run_again() {
    for name in HANDLERS {
        for way in [Way::LosesItsClient, Way::AnswersAndLosesItsClient] {
            let what = format!("{name} {way:?}");
            let (layer, runs) = (ChannelLayer::memory(), Runs::default());
            let mut ada = connect(&layer, &runs).await;
            ada.stop_reading();
            ada.request(1, name, &way).await;
            left(&layer, &runs).await;
            assert_eq!(layer.stats().errors_total(), 1, "{what}: it is counted, and not forgotten in silence");
            let mut again = connect(&layer, &runs).await;
            again.request(1, name, &way).await;
            let mut told = again.next_message().await;
            if matches!(way, Way::AnswersAndLosesItsClient) {
                assert_eq!((&told.name, &told.re), (&"joined".to_owned(), &Some(json!(1))), "{what}");
                told = again.next_message().await;
                assert_eq!(told.re, None, "{what}");
            } else {
                assert_eq!(told.re, Some(json!(1)), "{what}");
            }
            assert_eq!((code(&told), &told.data["retryable"]), ("CONNECTION_ERROR", &json!(false)), "{what}");
            assert_eq!(runs.load(Ordering::SeqCst), 1, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_given_when_the_client_has_gone_is_kept_once() {
    for name in HANDLERS {
        for way in [Way::LosesItsClientAndAnswers, Way::LosesItsClientAnswersAndFails] {
            let what = format!("{name} {way:?}");
            let (layer, runs) = (ChannelLayer::memory(), Runs::default());
            let mut ada = connect(&layer, &runs).await;
            ada.stop_reading();
            ada.request(1, name, &way).await;
            left(&layer, &runs).await;
            let mut again = connect(&layer, &runs).await;
            again.request(1, name, &way).await;
            let told = again.next_message().await;
            assert_eq!((&told.name, &told.re), (&"joined".to_owned(), &Some(json!(1))), "{what}");
            if matches!(way, Way::LosesItsClientAnswersAndFails) {
                let told = again.next_message().await;
                assert_eq!((code(&told), &told.re), ("BACKEND_ERROR", &None), "{what}");
            }
            again.assert_silent().await;
            assert_eq!(runs.load(Ordering::SeqCst), 1, "{what}");
        }
    }
}

/// JSON in binary frames, with no words for one of the messages.
#[derive(Debug)]
struct Speechless;

impl Serializer for Speechless {
    fn name(&self) -> &'static str {
        "speechless"
    }

    fn encode(&self, json: &ByteString) -> Result<Frame, BoxError> {
        if json.contains("joined") { Err("it has no words".into()) } else { Ok(Frame::Binary(json.as_bytes().clone())) }
    }

    fn decode(&self, bytes: Bytes) -> Result<ByteString, BoxError> {
        Ok(ByteString::try_from(bytes)?)
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_answer_that_an_encoding_has_no_words_for_only_the_error_is_kept() {
    for name in HANDLERS {
        let layer = ChannelLayer::builder(Config::default()).serializer(Speechless).connect().await.unwrap();
        let runs = Runs::default();
        let connecting = testing::connect::<Room>(&layer, Arc::clone(&runs)).path("/ws/ada");
        let mut ada = connecting.protocol("channels.v1.speechless").await.unwrap();
        let request = json!({"type": name, "data": Way::AnswersAndFails, "id": 1});
        ada.send_binary(request.to_string()).await;
        let Frame::Binary(told) = ada.next_frame().await else { panic!("no bytes") };
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!((&told["data"]["error_code"], &told["re"]), (&json!("SYSTEM_ERROR"), &json!(1)), "{name}");
        let mut again = connect(&layer, &runs).await;
        again.send_json(&request).await;
        let kept = again.next_message().await;
        assert_eq!((kept.data, kept.re), (told["data"].clone(), Some(json!(1))), "{name}");
        again.assert_silent().await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_client_leaves_has_as_long_as_a_disconnect_takes_and_runs_again() {
    for name in HANDLERS {
        let (layer, runs) = (ChannelLayer::memory(), Runs::default());
        let mut ada = connect(&layer, &runs).await;
        ada.request(1, name, &Way::TakesLong).await;
        ada.lose();
        let began = Instant::now();
        left(&layer, &runs).await;
        assert_eq!(began.elapsed().as_secs(), 10, "{name}");
        let mut again = connect(&layer, &runs).await;
        again.request(1, name, &Way::TakesLong).await;
        assert_eq!(again.recv::<Joined>().await, Joined { run: 2 }, "{name}");
    }
}
