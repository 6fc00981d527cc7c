//! Handlers of one connection that run beside each other, and those that do not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels::message::Message;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{CloseCode, Config, Error, ErrorCode};
use channels_tests::logs::Logs;
use channels_tests::waiting::until;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    name: String,
    millis: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done {
    name: String,
}

#[derive(Debug, Incoming)]
enum Ask {
    Look(Work),
    Search(Work),
    Move(Work),
    Write(Work),
    Note(Done),
    Panic,
    Refuse,
    End,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Done(Done),
    Sorry(Done),
}

/// What has happened, in order.
#[derive(Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Diary {
    fn write(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Works for a while, and says when it began, and ended or was dropped.
    async fn work(&self, work: Work) -> Done {
        struct Dropped<'a>(&'a Diary, String);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.running.fetch_sub(1, Ordering::SeqCst);
                self.0.write(format!("-{}", self.1));
            }
        }
        self.write(format!("+{}", work.name));
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _dropped = Dropped(self, work.name.clone());
        tokio::time::sleep(Duration::from_millis(work.millis)).await;
        Done { name: work.name }
    }
}

#[derive(Default)]
struct Desk {
    notes: usize,
}

#[consumer(incoming = Ask, outgoing = Tell, state = Arc<Diary>)]
impl Desk {
    #[on("look", concurrency = 3)]
    async fn look(&self, work: Work, State(diary): State<Arc<Diary>>) -> Tell {
        Tell::Done(diary.work(work).await)
    }

    #[on("search", concurrency = 2, timeout = "2s")]
    async fn search(&self, work: Work, State(diary): State<Arc<Diary>>) -> Tell {
        Tell::Done(diary.work(work).await)
    }

    #[on("move", concurrency = 4, ordered_by = "name")]
    async fn shift(&self, work: Work, State(diary): State<Arc<Diary>>) -> Tell {
        Tell::Done(diary.work(work).await)
    }

    #[on("write")]
    async fn write(&mut self, work: Work, State(diary): State<Arc<Diary>>) -> Tell {
        self.notes += 1;
        Tell::Done(diary.work(work).await)
    }

    #[on("note")]
    fn note(&mut self, note: Done, State(diary): State<Arc<Diary>>) {
        self.notes += 1;
        diary.write(note.name);
    }

    #[on("panic", concurrency = 1)]
    async fn panic(&self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        panic!("the desk broke");
    }

    #[on("refuse", concurrency = 1)]
    async fn refuse(&self) -> Result<(), Error> {
        Err(Error::authorization("Not here."))
    }

    #[on("end", concurrency = 1)]
    async fn end(&self) -> Result<(), Error> {
        Err(Error::authorization("You are not welcome.").closing(CloseCode::POLICY_VIOLATION))
    }

    #[disconnect]
    fn left(&mut self, State(diary): State<Arc<Diary>>) {
        diary.write("left");
    }
}

async fn desk(config: Config) -> (ChannelLayer, Arc<Diary>, Client) {
    let (layer, diary) = (ChannelLayer::memory_with(config), Arc::new(Diary::default()));
    let client = testing::connect::<Desk>(&layer, Arc::clone(&diary)).await.unwrap();
    (layer, diary, client)
}

fn work(name: &str, millis: u64) -> Work {
    Work { name: name.into(), millis }
}

#[tokio::test(start_paused = true)]
async fn as_many_as_the_handler_allows_run_at_once_and_each_answers_its_own_request() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    for (id, millis) in [(1, 900), (2, 600), (3, 300), (4, 300)] {
        ada.request(id, "look", &work(&id.to_string(), millis)).await;
    }
    let began = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = ada.next_message().await;
        assert_eq!(answer.data["name"].as_str().unwrap().parse::<u64>().unwrap(), answer.re.clone().unwrap());
        answers.push((answer.re.unwrap().as_u64().unwrap(), began.elapsed().as_millis() / 100));
    }
    assert_eq!(answers, [(3, 3), (2, 6), (4, 6), (1, 9)], "the fourth begins when the third has ended");
    assert_eq!(diary.most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn each_handler_has_places_of_its_own_and_what_comes_behind_a_full_one_waits() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    for name in ["look", "search", "look", "search", "search", "look"] {
        ada.send(name, &work(name, 1000)).await;
    }
    until(|| diary.lines().len() == 4).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(diary.lines(), ["+look", "+search", "+look", "+search"], "the third search is in the third look's way");
    until(|| diary.lines().len() == 12).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_concurrency_runs_alone_and_in_order() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.send("look", &work("a", 500)).await;
    ada.send("look", &work("b", 200)).await;
    ada.send("write", &work("w", 300)).await;
    ada.send("look", &work("c", 100)).await;
    ada.send("note", &Done { name: "n".into() }).await;
    ada.send("look", &work("d", 100)).await;
    until(|| diary.lines().len() == 11).await;
    let expected = ["+a", "+b", "-b", "-a", "+w", "-w", "+c", "-c", "n", "+d", "-d"];
    assert_eq!(diary.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_without_concurrency_overlaps() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    for name in ["a", "b", "c"] {
        ada.send("write", &work(name, 100)).await;
    }
    until(|| diary.lines().len() == 6).await;
    assert_eq!(diary.lines(), ["+a", "-a", "+b", "-b", "+c", "-c"]);
}

#[tokio::test(start_paused = true)]
async fn those_with_the_same_value_of_the_member_run_in_order_and_others_beside_them() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    for (name, millis) in [("a", 300), ("a", 100), ("b", 200), ("a", 100), ("b", 100), ("c", 50)] {
        ada.send("move", &work(name, millis)).await;
    }
    until(|| diary.lines().len() == 12).await;
    // At 0: a, b and c begin. c ends at 50, b at 200, the second b and the first a at 300, then the two other a.
    let lines = diary.lines();
    assert_eq!(lines[..4], ["+a", "+b", "+c", "-c"]);
    assert_eq!(lines[4..6], ["-b", "+b"]);
    assert_eq!(
        lines.iter().filter(|line| line.ends_with('a')).collect::<Vec<_>>(),
        ["+a", "-a", "+a", "-a", "+a", "-a"]
    );
    assert_eq!(lines[10..], ["+a", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_does_not_parse_is_answered_whatever_it_would_be_ordered_by() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.send("move", &work("a", 100)).await;
    ada.request(7, "move", &json!({"name": 1})).await;
    let refused = ada.next_message().await;
    assert_eq!((&refused.data["error_code"], refused.re.unwrap()), (&json!("VALIDATION_FAILED"), json!(7)));
    assert_eq!(diary.lines(), ["+a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_an_error_are_answered_to_their_own_message_only() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.request(1, "look", &work("a", 500)).await;
    ada.request(2, "panic", &()).await;
    ada.request(3, "refuse", &()).await;
    let answers = [ada.next_message().await, ada.next_message().await, ada.next_message().await];
    let told =
        answers.each_ref().map(|answer| (answer.re.as_ref().unwrap().as_u64(), answer.data["error_code"].as_str()));
    let expected = [(Some(3), Some("AUTHORIZATION_FAILED")), (Some(2), Some("SYSTEM_ERROR")), (Some(1), None)];
    assert_eq!(told, expected);
    assert_eq!(diary.lines(), ["+a", "-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_is_each_handlers_own() {
    let (layer, diary, mut ada) = desk(Config::default()).await;
    ada.request(1, "search", &work("long", 60_000)).await;
    ada.request(2, "look", &work("longer", 3_000)).await;
    let began = Instant::now();
    let late = ada.next_message().await;
    assert_eq!((&late.data["error_code"], late.data["retryable"].as_bool()), (&json!("TIMEOUT_ERROR"), Some(true)));
    assert_eq!((late.re.unwrap(), began.elapsed().as_secs()), (json!(1), 2));
    assert_eq!(diary.lines(), ["+long", "+longer", "-long"], "it is dropped where it is");
    assert_eq!(ada.recv::<Done>().await, Done { name: "longer".into() });
    assert_eq!(layer.registry().connection_count(), 1, "the connection lives on");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_lets_them_finish_and_disconnect_comes_last() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.send("look", &work("a", 3_000)).await;
    ada.send("search", &work("b", 1_000)).await;
    ada.send("move", &work("c", 2_000)).await;
    ada.send("move", &work("c", 2_000)).await;
    ada.close(1000).await;
    until(|| diary.lines().len() == 9).await;
    assert_eq!(diary.lines()[8], "left");
    assert_eq!(diary.lines().iter().filter(|line| line.starts_with('-')).count(), 4, "what was queued counts, too");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_gives_them_as_long_as_a_disconnect_takes() {
    let config = Config::builder().disconnect_timeout(Duration::from_secs(4)).build().unwrap();
    let (_layer, diary, mut ada) = desk(config).await;
    ada.send("look", &work("a", 60_000)).await;
    ada.send("look", &work("b", 60_000)).await;
    until(|| diary.lines().len() == 2).await;
    let began = Instant::now();
    ada.lose();
    until(|| diary.lines().len() == 5).await;
    assert_eq!((diary.lines()[4].as_str(), began.elapsed().as_secs()), ("left", 4));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_ends_the_connection_lets_the_others_finish_and_nothing_begin() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.send("look", &work("a", 1_000)).await;
    ada.send("move", &work("b", 500)).await;
    ada.send("move", &work("b", 500)).await;
    ada.send("end", &()).await;
    ada.send("look", &work("c", 500)).await;
    assert_eq!(ada.next_message().await.data["error_code"], "AUTHORIZATION_FAILED");
    assert_eq!(ada.closed().await.code().as_u16(), 1008);
    assert_eq!(diary.lines(), ["+a", "+b", "-b", "-a", "left"]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_the_connection_when_what_was_taken_before_it_has_ended() {
    let (_layer, diary, mut ada) =
        desk(Config::builder().vars([("WS_FRAMES_PER_CONNECTION", "3/1s")]).unwrap().build().unwrap()).await;
    ada.send("look", &work("a", 2_000)).await;
    ada.send("move", &work("b", 500)).await;
    ada.send("move", &work("b", 500)).await;
    for _ in 0..40 {
        ada.send("look", &work("c", 500)).await;
    }
    for refused in ["1", "30"] {
        let told = ada.next_message().await;
        assert_eq!(
            (&told.data["error_code"], &told.data["details"]["refused"]),
            (&json!("RATE_LIMIT_EXCEEDED"), &json!([refused]))
        );
    }
    assert_eq!(ada.closed().await.code().as_u16(), 1013);
    assert_eq!(diary.lines(), ["+a", "+b", "-b", "+b", "-b", "-a", "left"]);
}

#[tokio::test(start_paused = true)]
async fn closing_from_elsewhere_lets_them_finish() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.request(1, "look", &work("a", 1_000)).await;
    ada.send("write", &work("w", 500)).await;
    until(|| diary.lines().len() == 1).await;
    ada.connection().close("enough");
    assert_eq!(ada.recv::<Done>().await.name, "a", "and their answers come");
    assert_eq!(ada.closed().await.code().as_u16(), 4501);
    assert_eq!(diary.lines(), ["+a", "-a", "left"]);
}

#[tokio::test(start_paused = true)]
async fn they_may_finish_in_a_drain_until_its_deadline() {
    let config = Config::builder().drain_timeout(Duration::from_secs(5)).build().unwrap();
    let (layer, diary, mut ada) = desk(config).await;
    ada.send("look", &work("a", 2_000)).await;
    ada.send("look", &work("b", 60_000)).await;
    until(|| diary.lines().len() == 2).await;
    let began = Instant::now();
    layer.drained().await;
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    assert_eq!(diary.lines(), ["+a", "+b", "-a", "-b", "left"]);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_overlap_are_life() {
    let config = Config::builder().heartbeat_interval(Duration::from_secs(1)).heartbeat_timeout(Duration::from_secs(2));
    let (_layer, _diary, mut ada) = desk(config.build().unwrap()).await;
    ada.stop_answering();
    ada.send("look", &work("a", 4_000)).await;
    ada.send("look", &work("b", 4_000)).await;
    assert_eq!(ada.recv::<Done>().await.name, "a");
    assert_eq!(ada.recv::<Done>().await.name, "b");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_as_far_as_there_are_places_and_no_further() {
    for name in ["look", "move"] {
        let (layer, diary, mut ada) = desk(Config::default()).await;
        let flood = tokio::spawn(async move {
            for _ in 0..10_000 {
                ada.send(name, &work("a", 5_000)).await;
            }
            ada
        });
        tokio::time::sleep(Duration::from_secs(4)).await;
        // Three or one that run, 32 that wait for one of their order, one in hand, 32 read ahead.
        let read = layer.stats().messages_in;
        assert!(read <= 70, "{read} of {name} were read");
        assert!(!flood.is_finished(), "the client is slowed down");
        assert!(diary.running.load(Ordering::SeqCst) <= 4);
        flood.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_nonsense_is_refused_beside_them() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    ada.send("look", &work("a", 1_000)).await;
    ada.send("ping", &()).await;
    ada.send_text("{").await;
    ada.send("nothing", &()).await;
    assert_eq!(ada.next_message().await.name, "pong");
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_JSON");
    // A message without a handler is no handler's that may overlap.
    assert_eq!(ada.next_message().await.data["name"], "a");
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_MESSAGE_PARAMS");
    assert_eq!(diary.lines(), ["+a", "-a"]);
}

/// Answers its errors itself, while its other handlers run.
#[derive(Default)]
struct Polite {
    answered: AtomicUsize,
}

#[derive(Debug, Incoming)]
enum Trouble {
    Fail,
    Wait,
}

#[consumer(incoming = Trouble, outgoing = Tell)]
impl Polite {
    #[on("fail", concurrency = 2)]
    async fn fail(&self) -> Result<(), Error> {
        Err(Error::new(ErrorCode::MessageError, "no"))
    }

    #[on("wait", concurrency = 2)]
    async fn wait(&self) -> Tell {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Tell::Done(Done { name: "waited".into() })
    }

    #[error]
    async fn failed(&self, error: Error) -> Tell {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let count = self.answered.fetch_add(1, Ordering::SeqCst);
        Tell::Sorry(Done { name: format!("{count}: {}", error.message()) })
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_answered_by_the_consumer_while_others_run() {
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Polite>(&layer, ()).await.unwrap();
    ada.request(1, "wait", &()).await;
    ada.request(2, "fail", &()).await;
    ada.request(3, "fail", &()).await;
    let began = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = ada.next_message().await;
        answers.push((
            answer.re.unwrap().as_u64().unwrap(),
            answer.data["name"].to_string(),
            began.elapsed().as_secs(),
        ));
    }
    let expected = [(2, "\"0: no\"".to_owned(), 1), (3, "\"1: no\"".to_owned(), 1), (1, "\"waited\"".to_owned(), 3)];
    assert_eq!(answers, expected);
}

/// Memory that others share, until it is dropped.
struct Shared(Vec<u8>, #[expect(dead_code, reason = "it is counted")] Arc<()>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_run_keep_no_memory_of_what_was_read() {
    let (_layer, diary, mut ada) = desk(Config::default()).await;
    let count = Arc::new(());
    for name in ["a", "b", "c"] {
        let json = json!({"type": "look", "id": name, "data": work(name, 5_000)}).to_string();
        let frame = Bytes::from_owner(Shared(json.into_bytes(), Arc::clone(&count)));
        ada.send_text(bytestring::ByteString::try_from(frame).unwrap()).await;
    }
    until(|| diary.lines().len() == 3).await;
    assert_eq!(diary.lines(), ["+a", "+b", "+c"]);
    assert_eq!(Arc::strong_count(&count), 1, "each would keep a buffer of its thread");
    assert_eq!(ada.next_message().await.re, Some(json!("a")));
}

/// Calls every message by another name.
struct Renames(&'static str);

impl Middleware for Renames {
    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        next.run(message.with_name(self.0)).await
    }
}

#[tokio::test(start_paused = true)]
async fn they_overlap_behind_middleware_too_by_the_name_they_came_with() {
    let (layer, diary) = (ChannelLayer::memory(), Arc::new(Diary::default()));
    let connect = async |name| {
        let route = layer.serve::<Desk>().middleware(Renames(name)).into_route();
        let app = axum::Router::new().route("/ws", route).with_state(Arc::clone(&diary));
        testing::connect_to(&app).path("/ws").await.unwrap()
    };
    let mut ada = connect("search").await;
    ada.send("look", &work("a", 1_000)).await;
    ada.send("look", &work("b", 500)).await;
    assert_eq!(ada.recv::<Done>().await.name, "b");
    assert_eq!(ada.recv::<Done>().await.name, "a");

    let logs = Logs::listen();
    let mut bob = connect("write").await;
    bob.send("look", &work("c", 1_000)).await;
    let told = bob.next_message().await;
    assert_eq!(told.data["error_code"], "SYSTEM_ERROR", "it was taken for one that overlaps");
    assert_eq!(logs.with("error_id", told.data["error_id"].as_str().unwrap()).len(), 1);
    bob.send("note", &Done { name: "d".into() }).await;
    assert_eq!(
        bob.next_message().await.data["error_code"],
        "VALIDATION_FAILED",
        "alone, and handled as it is called now"
    );
}
