//! Servers that stood still while they handled an idempotent request, until it was theirs no more: what they came to is no
//! answer, since somebody else may have given another meanwhile. `redis/` and the faults of `channels-chaos` have real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use channels::message::Frame;
use channels::prelude::*;
use channels::testing::{self, Client, Received};
use channels::{Config, Error};
use channels_tests::watched::Watched;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The handler's own second, another for `#[error]`, and ten.
const CLAIMED_FOR: Duration = Duration::from_secs(12);

/// How a handler ends that stood still before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Way {
    Returns,
    RepliesTwice,
    AnswersItself,
    SendsAFrame,
    Fails,
    FailsAndIsForgiven,
    Panics,
}

const WAYS: [Way; 7] = [
    Way::Returns,
    Way::RepliesTwice,
    Way::AnswersItself,
    Way::SendsAFrame,
    Way::Fails,
    Way::FailsAndIsForgiven,
    Way::Panics,
];

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    run: usize,
}

#[derive(Debug, Incoming)]
enum Ask {
    Alone(Way),
    Beside(Way),
    InTheHook(Way),
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Done(Done),
}

type Runs = Arc<AtomicUsize>;

/// The first run stands still, in the middle of a poll, as a process does that was stopped.
fn run(runs: &Runs) -> Done {
    let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
    if run == 1 {
        let _ = tokio::time::advance(CLAIMED_FOR).now_or_never();
    }
    Done { run }
}

fn end(way: Way, done: Done, answer: &Answer, conn: &Connection) -> Result<Vec<Done>, Error> {
    match way {
        Way::Returns => Ok(vec![done]),
        Way::RepliesTwice => Ok(vec![done.clone(), done]),
        Way::AnswersItself => answer.send(Tell::Done(done)).map(|()| vec![]),
        Way::SendsAFrame => conn.send_frame(Frame::Text("not the answer".into())).map(|()| vec![done]),
        Way::Fails => Err(Error::authorization(format!("run {}", done.run))),
        Way::FailsAndIsForgiven => Err(Error::authorization("forgive")),
        Way::Panics => panic!("run {}", done.run),
    }
}

#[derive(Default)]
struct Shop;

#[consumer(incoming = Ask, outgoing = Tell, state = Runs)]
impl Shop {
    #[user]
    fn user(&self) -> UserId {
        UserId::new("ada").unwrap()
    }

    #[on("alone")]
    #[idempotent(window = "5m")]
    async fn alone(
        &mut self,
        way: Way,
        answer: Answer,
        conn: Connection,
        State(runs): State<Runs>,
    ) -> Result<Vec<Done>, Error> {
        end(way, run(&runs), &answer, &conn)
    }

    #[on("beside", concurrency = 2)]
    #[idempotent(window = "5m")]
    async fn beside(
        &self,
        way: Way,
        answer: Answer,
        conn: Connection,
        State(runs): State<Runs>,
    ) -> Result<Vec<Done>, Error> {
        end(way, run(&runs), &answer, &conn)
    }

    /// Not it but the hook stands still.
    #[on("in_the_hook")]
    #[idempotent(window = "5m")]
    async fn in_the_hook(&self, way: Way) -> Result<(), Error> {
        Err(Error::authorization("in the hook").with_detail("way", format!("{way:?}")))
    }

    #[error]
    async fn failed(&self, error: Error, State(runs): State<Runs>) -> Result<Option<Done>, Error> {
        match error.message() {
            "forgive" => Ok(Some(Done { run: runs.load(Ordering::SeqCst) })),
            "in the hook" => match run(&runs) {
                _ if error.details()["way"] == ["Fails"] => Err(error),
                done => Ok(Some(done)),
            },
            _ => Err(error),
        }
    }
}

/// Its handlers and hooks have a second.
fn quick() -> Config {
    Config::builder().handler_timeout(Duration::from_secs(1)).build().unwrap()
}

fn quick_layer() -> ChannelLayer {
    ChannelLayer::memory_with(quick())
}

async fn asked(client: &mut Client, name: &str, way: Way) -> Received {
    client.request(1, name, &way).await;
    loop {
        match client.next_frame().await {
            Frame::Text(text) if text == "not the answer" => {}
            Frame::Text(text) => return serde_json::from_str::<serde_json::Value>(&text).map(received).unwrap(),
            Frame::Binary(_) => panic!("a binary frame"),
        }
    }
}

fn received(envelope: serde_json::Value) -> Received {
    let member = |name: &str| envelope.get(name).cloned();
    Received {
        name: envelope["type"].as_str().unwrap().to_owned(),
        data: member("data").unwrap_or_default(),
        re: member("re"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_its_claim_is_over_is_no_answer_and_whoever_asks_again_has_one() {
    for name in ["alone", "beside", "in_the_hook"] {
        for way in WAYS {
            let what = format!("{name} {way:?}");
            let (layer, runs) = (quick_layer(), Runs::default());
            let mut ada = testing::connect::<Shop>(&layer, Arc::clone(&runs)).await.unwrap();
            let late = asked(&mut ada, name, way).await;
            assert_eq!((late.name.as_str(), &late.re), ("error", &Some(json!(1))), "{what}: {late:?}");
            assert_eq!(
                (&late.data["error_code"], &late.data["retryable"]),
                (&json!("TIMEOUT_ERROR"), &json!(true)),
                "{what}: {late:?}"
            );
            ada.assert_silent().await;
            // Another run, in time; what it comes to is the answer.
            let answer = [asked(&mut ada, name, way).await];
            let answer = match way {
                Way::RepliesTwice if name != "in_the_hook" => {
                    let [first] = answer;
                    vec![first, ada.next_message().await]
                }
                _ => answer.into(),
            };
            assert!(answer.iter().all(|answer| answer.data["error_code"] != "TIMEOUT_ERROR"), "{what}: {answer:?}");
            assert_eq!(answer.last().unwrap().re, Some(json!(1)), "{what}");
            let mut again = vec![asked(&mut ada, name, way).await];
            if answer.len() > 1 {
                again.push(ada.next_message().await);
            }
            assert_eq!(again, answer, "{what}");
            ada.assert_silent().await;
            assert_eq!(runs.load(Ordering::SeqCst), 2, "{what}");
        }
    }
}

#[derive(Debug, Incoming)]
enum Few {
    Early,
    Count,
}

#[derive(Default)]
struct Counter;

#[consumer(incoming = Few, outgoing = Tell, state = Runs)]
impl Counter {
    #[user]
    fn user(&self) -> UserId {
        UserId::new("ada").unwrap()
    }

    #[on("early")]
    #[idempotent(window = "5m")]
    async fn early(&self, answer: Answer, State(runs): State<Runs>) -> Result<(), Error> {
        answer.send(Tell::Done(Done { run: 1 }))?;
        run(&runs);
        Ok(())
    }

    #[on("count")]
    #[idempotent(window = "5m")]
    async fn count(&self, State(runs): State<Runs>) -> Done {
        Done { run: runs.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

#[tokio::test(start_paused = true)]
async fn who_hears_too_late_that_a_request_is_its_own_does_not_run_it() {
    let (watched, runs) = (Watched::default(), Runs::default());
    let layer = ChannelLayer::builder(quick()).backend(watched.clone()).connect().await.unwrap();
    let mut ada = testing::connect::<Counter>(&layer, Arc::clone(&runs)).await.unwrap();
    watched.stand_still_at_a_claim(CLAIMED_FOR);
    ada.request(1, "count", &()).await;
    let late = ada.next_message().await;
    assert_eq!((&late.data["error_code"], &late.data["retryable"]), (&json!("TIMEOUT_ERROR"), &json!(true)));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    for _ in 0..2 {
        ada.request(1, "count", &()).await;
        let answer = ada.next_message().await;
        assert_eq!((answer.name.as_str(), &answer.data["run"], &answer.re), ("done", &json!(1), &Some(json!(1))));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_given_in_time_stays_the_answer_though_its_handler_stood_still() {
    let (layer, runs) = (quick_layer(), Runs::default());
    let mut ada = testing::connect::<Counter>(&layer, Arc::clone(&runs)).await.unwrap();
    ada.request(1, "early", &()).await;
    let answer = ada.next_message().await;
    assert_eq!((answer.name.as_str(), &answer.re), ("done", &Some(json!(1))));
    ada.assert_silent().await;
    assert_eq!(layer.stats().errors_total(), 0);
}
