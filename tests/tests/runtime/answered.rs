//! Requests of idempotent handlers that had done something when they failed: alone, and beside others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use channels::prelude::*;
use channels::testing::{self, Client, Received};
use channels::{Config, Error, ErrorCode};
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
    if !matches!(way, Way::LosesItsClient) {
        answer.send(joined)?;
    }
    match way {
        Way::TakesLong => Ok(()),
        Way::AnswersAndFails => Err(Error::new(ErrorCode::BackendError, "Not now.")),
        Way::AnswersAndHangs => std::future::pending().await,
        Way::AnswersAndFailsTheClient => Err(Error::rate_limited(Duration::from_secs(1))),
        Way::LosesItsClient | Way::AnswersAndLosesItsClient => loop {
            conn.send(Tell::Noise)?;
        },
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
