//! A consumer of messages: every hook, every kind of handler, and everything that is called on the way to them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{CloseCode, Error};
use channels_tests::logs::Logs;
use channels_tests::probe::SECRET;
use channels_tests::socket::Socket;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::fragile::{
    Bomb, Fragile, Guarded, Inconvertible, Keyed, Line, Moved, Part, Rejected, Touchy, Unspeakable, Word,
};
use super::{Scene, Shared, stuck, told_of_a_fault};

#[derive(Debug, Incoming)]
pub(super) enum In {
    Sync,
    Async,
    AfterWaiting,
    OnTime,
    Stuck,
    StuckOnTime,
    StuckBeside,
    Extractor,
    TouchyExtractor,
    Part,
    Say(Line),
    Reply(Word),
    ReplyTwice(Word),
    Send(Word),
    Move(Word),
    Drop(Bomb),
    Convert,
    Unspeakable,
    Once,
    OnceAfterWaiting,
    Fail,
    FailBeside,
    FailBadly,
    FailBadlyBeside,
    Beside,
    BesideAfterWaiting,
    ReplyBeside(Word),
    Ordered(Keyed),
    Join,
    Linger,
    Quiet,
    Fine,
}

#[derive(Clone, Debug, Outgoing)]
pub(super) enum Out {
    Said(Word),
    #[channels(outbox = "latest", key = key)]
    Moved(Moved),
}

pub(super) struct Typed {
    user: UserId,
    place: Shared,
}

async fn a_while() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn unwritable() -> Out {
    Out::Said(Word("written".into()))
}

#[consumer(incoming = In, outgoing = Out, state = Shared, first_frame = "1m")]
impl Typed {
    #[accept]
    async fn accept(
        Path(user): Path<UserId>,
        _: Guarded,
        axum::extract::State(place): axum::extract::State<Shared>,
    ) -> Result<Self, Rejected> {
        tokio::task::yield_now().await;
        place.reached("accept");
        if place.name == "refusal" { Err(Rejected) } else { Ok(Self { user, place }) }
    }

    #[user]
    fn user(&self) -> &UserId {
        self.place.reached("user");
        &self.user
    }

    #[authorize]
    async fn may_join(group: &str, _: Touchy, State(place): State<Shared>) -> bool {
        tokio::task::yield_now().await;
        if group == "guarded" {
            place.reached("authorize");
            place.stuck("stuck authorize").await;
            if place.asked.fetch_add(1, Ordering::SeqCst) > 0 {
                place.reached("recheck");
            }
        }
        true
    }

    #[connect]
    async fn connected(&self, conn: Connection, _: Touchy) -> Result<Option<Out>, Error> {
        conn.join("lobby").await?;
        self.place.reached("connect");
        self.place.stuck("stuck connect").await;
        Ok((self.place.name == "welcome").then(unwritable))
    }

    #[on("sync")]
    fn sync(&self) {
        panic!("{SECRET}");
    }

    #[on("async")]
    async fn in_async(&self) {
        panic!("{SECRET}");
    }

    #[on("after_waiting")]
    async fn after_waiting(&self) {
        a_while().await;
        panic!("{SECRET}");
    }

    #[on("on_time", timeout = "5s")]
    async fn on_time(&mut self) {
        a_while().await;
        panic!("{SECRET}");
    }

    #[on("stuck")]
    async fn stuck(&self) {
        stuck().await;
    }

    #[on("stuck_on_time", timeout = "1s")]
    async fn stuck_on_time(&mut self) {
        stuck().await;
    }

    #[on("stuck_beside", concurrency = 2)]
    async fn stuck_beside(&self) {
        stuck().await;
    }

    #[on("extractor")]
    fn extractor(&self, _: Fragile) {}

    #[on("touchy_extractor")]
    async fn touchy_extractor(&self, _: Touchy) {}

    #[on("part")]
    fn part(&self, _: State<Part>) {}

    #[on("say")]
    #[validate]
    fn say(&self, _: Line) {}

    #[on("reply")]
    fn reply(&self, word: Word) -> Word {
        word
    }

    #[on("reply_twice")]
    async fn reply_twice(&self, word: Word) -> Vec<Word> {
        vec![word.clone(), word]
    }

    #[on("send")]
    async fn send(&self, word: Word, layer: ChannelLayer) -> Result<(), Error> {
        layer.send_to_group("lobby", Out::Said(word)).await.map(drop)
    }

    #[on("move")]
    async fn shift(&self, key: Word, layer: ChannelLayer) -> Result<(), Error> {
        layer.send_to_group("lobby", Out::Moved(Moved { key })).await.map(drop)
    }

    #[on("drop")]
    fn dropped(&self, _: Bomb) {}

    #[on("convert")]
    fn convert(&self) -> Result<(), Inconvertible> {
        Err(Inconvertible)
    }

    #[on("unspeakable")]
    fn unspeakable(&self) -> Result<(), Error> {
        Err(Error::internal(Unspeakable))
    }

    #[on("once")]
    #[idempotent(window = "5m")]
    fn once(&self) {
        panic!("{SECRET}");
    }

    #[on("once_after_waiting", concurrency = 2)]
    #[idempotent(window = "5m")]
    async fn once_after_waiting(&self) {
        a_while().await;
        panic!("{SECRET}");
    }

    #[on("fail")]
    fn fail(&self) -> Result<(), Error> {
        Err(Error::authorization("No."))
    }

    #[on("fail_beside", concurrency = 2)]
    async fn fail_beside(&self) -> Result<(), Error> {
        Err(Error::authorization("No."))
    }

    #[on("fail_badly")]
    fn fail_badly(&self) -> Result<(), Error> {
        Err(Error::authorization("badly"))
    }

    #[on("fail_badly_beside", concurrency = 2)]
    async fn fail_badly_beside(&self) -> Result<(), Error> {
        Err(Error::authorization("badly"))
    }

    #[on("beside", concurrency = 2)]
    async fn beside(&self) {
        panic!("{SECRET}");
    }

    #[on("beside_after_waiting", concurrency = 2, timeout = "5s")]
    async fn beside_after_waiting(&self) {
        a_while().await;
        panic!("{SECRET}");
    }

    #[on("reply_beside", concurrency = 2)]
    async fn reply_beside(&self, word: Word) -> Word {
        word
    }

    #[on("ordered", concurrency = 2, ordered_by = key)]
    async fn ordered(&self, keyed: Keyed) {
        assert_ne!(keyed.key.0, "handled", "{SECRET}");
    }

    #[on("join")]
    async fn join(&self, conn: Connection) -> Result<(), Error> {
        conn.join("guarded").await.map(drop)
    }

    #[on("linger", concurrency = 2)]
    async fn linger(&self) {
        a_while().await;
    }

    #[on("quiet")]
    fn quiet(&self) {}

    #[on("fine")]
    fn fine(&self) {}

    #[error]
    async fn failed(&self, error: Error, _: Touchy) -> Result<Option<Out>, Error> {
        self.place.reached("error");
        self.place.stuck("stuck error").await;
        if error.message() == "badly" { Ok(Some(unwritable())) } else { Err(error) }
    }

    #[disconnect]
    async fn left(&self, _: Touchy) {
        self.place.ends.fetch_add(1, Ordering::SeqCst);
        self.place.reached("disconnect");
        self.place.stuck("stuck disconnect").await;
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.place.reached("drop");
    }
}

/// What a client gets for it.
enum Told {
    /// A response of 500 instead of the upgrade.
    NoUpgrade,
    /// An `error` frame of a fault, and the connection lives on.
    Error,
    /// The same, of a fault in answering another error.
    Another,
    /// The same, and its end.
    Closed,
    /// Nothing: it has gone.
    Nothing,
}

use Told::{Another, Closed, NoUpgrade, Nothing};

/// Where, how a client brings it about, what it is told.
const ROWS: [(&str, &str, Told); 61] = [
    ("state", "", NoUpgrade),
    ("extractor of accept", "", NoUpgrade),
    ("accept", "", NoUpgrade),
    ("refusal", "", NoUpgrade),
    ("user", "", NoUpgrade),
    ("connect", "", Closed),
    ("OnConnect", "", Closed),
    ("OnJoin", "", Closed),
    ("welcome", "", Closed),
    ("", r#"{"type":"sync","id":1}"#, Told::Error),
    ("", r#"{"type":"async","id":1}"#, Told::Error),
    ("", r#"{"type":"after_waiting","id":1}"#, Told::Error),
    ("", r#"{"type":"on_time","id":1}"#, Told::Error),
    ("", r#"{"type":"beside","id":1}"#, Told::Error),
    ("", r#"{"type":"beside_after_waiting","id":1}"#, Told::Error),
    ("", r#"{"type":"once","id":1}"#, Told::Error),
    ("", r#"{"type":"once_after_waiting","id":1}"#, Told::Error),
    ("", r#"{"type":"extractor","id":1}"#, Told::Error),
    ("OnMessage", r#"{"type":"touchy_extractor","id":1}"#, Told::Error),
    ("part of the state", r#"{"type":"part","id":1}"#, Told::Error),
    ("", r#"{"type":"say","id":1,"data":{"text":"validated"}}"#, Told::Error),
    ("", r#"{"type":"say","id":1,"data":{"text":"parsed"}}"#, Told::Error),
    ("", r#"{"type":"drop","id":1,"data":{}}"#, Told::Error),
    ("", r#"{"type":"reply","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"reply_twice","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"reply_beside","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"send","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"move","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"convert","id":1}"#, Told::Error),
    ("", r#"{"type":"unspeakable","id":1}"#, Told::Error),
    ("", r#"{"type":"ordered","id":1,"data":{"key":"parsed"}}"#, Told::Error),
    ("", r#"{"type":"ordered","id":1,"data":{"key":"hashed"}}"#, Told::Error),
    ("", r#"{"type":"ordered","id":1,"data":{"key":"handled"}}"#, Told::Error),
    ("authorize", r#"{"type":"join","id":1}"#, Told::Error),
    ("inspect", r#"{"type":"sync"}"#, Told::Error),
    ("handle", r#"{"type":"sync","id":1}"#, Told::Error),
    ("handle", r#"{"type":"fail_beside","id":1}"#, Told::Error),
    ("handled", r#"{"type":"quiet","id":1}"#, Told::Error),
    ("handled", r#"{"type":"linger","id":1}"#, Told::Error),
    ("error", r#"{"type":"fail","id":1}"#, Another),
    ("error", r#"{"type":"fail_beside","id":1}"#, Another),
    ("OnError", r#"{"type":"fail","id":1}"#, Another),
    ("", r#"{"type":"fail_badly","id":1}"#, Another),
    ("", r#"{"type":"fail_badly_beside","id":1}"#, Another),
    ("disconnect", "", Nothing),
    ("OnDisconnect", "", Nothing),
    // The same where their time is up, and what they held breaks when it is dropped.
    ("stuck connect", "", Closed),
    ("stuck OnConnect", "", Closed),
    ("stuck OnJoin", "", Closed),
    ("", r#"{"type":"stuck","id":1}"#, Told::Error),
    ("", r#"{"type":"stuck_on_time","id":1}"#, Told::Error),
    ("", r#"{"type":"stuck_beside","id":1}"#, Told::Error),
    ("stuck OnMessage", r#"{"type":"touchy_extractor","id":1}"#, Told::Error),
    ("stuck authorize", r#"{"type":"join","id":1}"#, Told::Error),
    ("stuck handle", r#"{"type":"quiet","id":1}"#, Told::Error),
    ("stuck handle", r#"{"type":"linger","id":1}"#, Told::Error),
    ("stuck error", r#"{"type":"fail","id":1}"#, Another),
    ("stuck error", r#"{"type":"fail_beside","id":1}"#, Another),
    ("stuck OnError", r#"{"type":"fail","id":1}"#, Another),
    ("stuck disconnect", "", Nothing),
    ("stuck OnDisconnect", "", Nothing),
];

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_is_told_logged_and_counted_and_leaves_nothing_behind() {
    for (name, frame, told) in &ROWS {
        let what = format!("{name} {frame}");
        let scene = Scene::new::<Typed>(name);
        // Twice: what the first one left behind would be in the way of the second.
        for round in 1..=2 {
            let logs = Logs::listen();
            let connected = testing::connect_to(&scene.app).path("/ws/ada").await;
            let mut shown = None;
            match (told, connected) {
                (NoUpgrade, Err(refusal)) => {
                    assert_eq!(refusal.status().as_u16(), 500, "{what}");
                    let body: Value = serde_json::from_str(refusal.body()).unwrap();
                    assert_eq!(body["error_code"], "SYSTEM_ERROR", "{what}");
                    assert!(!refusal.body().contains("hunter2"), "{what}: {}", refusal.body());
                    shown = Some(body["error_id"].clone());
                }
                (Closed, Ok(mut ada)) => {
                    shown = Some(told_of_a_fault(&mut ada, &what).await);
                    assert_eq!(ada.closed().await.code(), CloseCode::INTERNAL_ERROR, "{what}");
                }
                (Told::Error | Another, Ok(mut ada)) => {
                    // An `id` of its own, as that of an idempotent request would be remembered.
                    ada.send_text(frame.replace("\"id\":1", &format!("\"id\":{round}"))).await;
                    shown = Some(told_of_a_fault(&mut ada, &what).await);
                    is_fine(&mut ada, &what).await;
                    ada.close(1000).await;
                }
                (Nothing, Ok(mut ada)) => ada.close(1000).await,
                (_, Ok(_)) => panic!("{what}: it was let in"),
                (_, Err(refusal)) => panic!("{what}: {refusal:?}, place {round}"),
            }
            let ends = if matches!(told, NoUpgrade) || name.ends_with("OnDisconnect") { 0 } else { round };
            assert_eq!(scene.empty().await, ends, "{what}: `#[disconnect]`");
            // The error that `#[error]` was asked about is one as well.
            let each = if matches!(told, Another) { 2 } else { 1 };
            assert_eq!(scene.layer.stats().errors_total(), each * round as u64, "{what}: counted");
            is_logged(&logs, shown, &what);
        }
    }
}

/// The words of the panic are in the log, under the id that the client has.
fn is_logged(logs: &Logs, shown: Option<Value>, what: &str) {
    let mut lines = logs.with("cause", if what.contains("unspeakable") { "panicked" } else { SECRET });
    lines.retain(|line| line.level == tracing::Level::ERROR);
    assert_eq!(lines.len(), 1, "{what}: {:?}", logs.lines());
    if let Some(id) = shown {
        assert_eq!(lines[0].get("error_id"), id.as_str().unwrap(), "{what}");
    }
}

async fn is_fine(client: &mut Client, what: &str) {
    client.send_text(r#"{"type":"fine","id":"fine"}"#).await;
    let fine = client.next_message().await;
    assert_eq!((fine.name.as_str(), fine.re), ("$ok", Some(json!("fine"))), "{what}: it lives on");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_idempotent_handler_is_its_answer() {
    let scene = Scene::new::<Typed>("");
    for (id, name) in [(1, "once"), (2, "once_after_waiting")] {
        let mut told = Vec::new();
        for _ in 0..2 {
            let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
            ada.request(id, name, &()).await;
            told.push(told_of_a_fault(&mut ada, name).await);
            ada.close(1000).await;
            scene.empty().await;
        }
        assert_eq!(told[0], told[1], "{name}: with its error_id");
    }
    assert_eq!(scene.layer.stats().errors_total(), 2, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_what_a_message_is_ordered_by_costs_that_message_only() {
    let scene = Scene::new::<Typed>("");
    let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
    ada.send_text(r#"{"type":"linger","id":1}"#).await;
    for (id, key) in [(2, "hashed"), (3, "parsed"), (4, "handled")] {
        ada.send_text(format!(r#"{{"type":"ordered","id":{id},"data":{{"key":"{key}"}}}}"#)).await;
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], &told.re), (&json!("SYSTEM_ERROR"), &Some(json!(id))), "{key}");
    }
    let lingered = ada.next_message().await;
    assert_eq!((lingered.name.as_str(), lingered.re), ("$ok", Some(json!(1))), "it ran beside them, to its end");
    assert_eq!(scene.layer.stats().errors_total(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_membership_is_asked_about_again_ends_that_membership_only() {
    let (scene, logs) = (Scene::new::<Typed>("recheck"), Logs::listen());
    let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
    ada.request(1, "join", &()).await;
    assert_eq!(ada.next_message().await.name, "$ok");
    assert_eq!(ada.connection().groups(), ["guarded", "lobby"]);
    scene.layer.recheck_user("ada").await.unwrap();
    is_fine(&mut ada, "recheck").await;
    scene.until(|layer| layer.stats().revoked == 1).await;
    assert_eq!(ada.connection().groups(), ["lobby"], "who has not said yes has said no");
    assert_eq!(scene.layer.stats().errors_total(), 1);
    is_logged(&logs, None, "recheck");
    ada.close(1000).await;
    scene.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_join_from_outside_a_hook_fails_where_the_gate_panics() {
    let scene = Scene::new::<Typed>("authorize");
    let ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
    let error = ada.connection().join("guarded").await.unwrap_err();
    assert_eq!((error.name(), ada.connection().groups()), ("SYSTEM_ERROR", vec!["lobby".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_consumer_is_dropped_is_logged_and_counted_and_leaves_nothing_behind() {
    let scene = Scene::new::<Typed>("drop");
    for round in 1..=2 {
        let logs = Logs::listen();
        let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
        is_fine(&mut ada, "drop").await;
        ada.close(1000).await;
        assert_eq!(scene.empty().await, round);
        scene.until(|layer| layer.stats().errors_total() == round as u64).await;
        is_logged(&logs, None, "drop");
    }
    // So it is where nobody is let in: the one place is taken.
    let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
    let refusal = testing::connect_to(&scene.app).path("/ws/bob").await.unwrap_err();
    assert_eq!(refusal.status().as_u16(), 503);
    assert_eq!(scene.layer.stats().errors_total(), 3);
    is_fine(&mut ada, "drop").await;
}

#[tokio::test]
async fn nor_does_it_over_a_socket() {
    let scene = Scene::new::<Typed>("drop");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws/ada", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, scene.app.clone()).into_future());
    for round in 1..=2 {
        let mut ada = Socket::open(url.as_str()).await.unwrap();
        ada.send_json(&json!({"type": "fine", "id": 1})).await;
        assert_eq!(ada.next_json().await["type"], "$ok");
        drop(ada);
        scene.until(|layer| layer.stats().errors_total() == round).await;
        scene.empty().await;
    }
    server.abort();
}
