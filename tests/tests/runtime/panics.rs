//! A panic in each piece of code that is the application's: caught, answered or closed as documented, counted once, and
//! nothing of the connection is left behind.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Path;
use channels::extract::{Context, Extract, Hook};
use channels::message::{Frame, Message};
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{CloseCode, Config, Error};
use channels_tests::probe::SECRET;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Where it happens, and how often `#[disconnect]` ran.
#[derive(Debug)]
struct Place {
    name: &'static str,
    ends: AtomicUsize,
}

impl Place {
    fn reached(&self, name: &str) {
        assert_ne!(self.name, name, "{SECRET}");
    }
}

type Shared = Arc<Place>;

#[derive(Debug, Deserialize, Validate)]
struct Line {
    #[garde(custom(fragile))]
    text: Word,
}

fn fragile(word: &Word, _: &()) -> garde::Result {
    assert_ne!(word.0, "validated", "{SECRET}");
    Ok(())
}

/// A payload that breaks when it is read or written.
#[derive(Clone, Debug)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        assert_ne!(word, "parsed", "{SECRET}");
        Ok(Self(word))
    }
}

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, "written", "{SECRET}");
        self.0.serialize(to)
    }
}

/// Nor is it any better where others are to be told from it.
impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_ne!(self.0, "hashed", "{SECRET}");
        self.0.hash(state);
    }
}

#[derive(Debug, Deserialize)]
struct Keyed {
    key: Word,
}

/// An extractor that breaks.
struct Fragile;

impl<S: Send + Sync, H: Hook> Extract<S, H> for Fragile {
    async fn extract(_: &Context<'_, S, H>) -> Result<Self, Error> {
        panic!("{SECRET}");
    }
}

#[derive(Debug, Incoming)]
enum In {
    Sync,
    Async,
    AfterWaiting,
    Extractor,
    Say(Line),
    Reply(Word),
    Send(Word),
    Fail,
    FailBeside,
    Ordered(Keyed),
    Linger,
    Fine,
}

#[derive(Clone, Debug, Outgoing)]
enum Out {
    Said(Word),
}

struct Typed {
    user: UserId,
    place: Shared,
}

#[consumer(incoming = In, outgoing = Out, state = Shared)]
impl Typed {
    #[accept]
    async fn accept(
        Path(user): Path<UserId>,
        axum::extract::State(place): axum::extract::State<Shared>,
    ) -> Result<Self, Error> {
        tokio::task::yield_now().await;
        place.reached("accept");
        Ok(Self { user, place })
    }

    #[user]
    fn user(&self) -> &UserId {
        self.place.reached("user");
        &self.user
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), Error> {
        conn.join("lobby").await?;
        self.place.reached("connect");
        Ok(())
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
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        panic!("{SECRET}");
    }

    #[on("extractor")]
    fn extractor(&self, _: Fragile) {}

    #[on("say")]
    #[validate]
    fn say(&self, _: Line) {}

    #[on("reply")]
    fn reply(&self, word: Word) -> Word {
        word
    }

    #[on("send")]
    async fn send(&self, word: Word, layer: ChannelLayer) -> Result<(), Error> {
        layer.send_to_group("lobby", Out::Said(word)).await.map(drop)
    }

    #[on("fail")]
    fn fail(&self) -> Result<(), Error> {
        Err(Error::authorization("No."))
    }

    #[on("fail_beside", concurrency = 2)]
    async fn fail_beside(&self) -> Result<(), Error> {
        Err(Error::authorization("No."))
    }

    #[on("ordered", concurrency = 2, ordered_by = "key")]
    async fn ordered(&self, keyed: Keyed) {
        self.place.reached(&keyed.key.0);
    }

    #[on("linger", concurrency = 2)]
    async fn linger(&self) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }

    #[on("fine")]
    fn fine(&self) {}

    #[error]
    fn failed(&self, error: Error) -> Result<(), Error> {
        self.place.reached("error");
        Err(error)
    }

    #[disconnect]
    async fn left(&self) {
        self.place.ends.fetch_add(1, Ordering::SeqCst);
        self.place.reached("disconnect");
    }
}

/// Takes frames as they are.
struct Raw {
    user: UserId,
    place: Shared,
}

#[consumer(state = Shared)]
impl Raw {
    #[accept]
    fn accept(Path(user): Path<UserId>, axum::extract::State(place): axum::extract::State<Shared>) -> Self {
        Self { user, place }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), Error> {
        conn.join("lobby").await.map(drop)
    }

    #[on_text]
    fn text(&self, text: String, conn: Connection) -> Result<(), Error> {
        self.place.reached(&text);
        conn.send_frame(Frame::Text(text.into()))
    }

    #[on_binary]
    async fn binary(&self, data: Bytes, conn: Connection) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.place.reached("on_binary");
        conn.send_frame(Frame::Binary(data))
    }

    #[disconnect]
    fn left(&self) {
        self.place.ends.fetch_add(1, Ordering::SeqCst);
    }
}

struct Breaks(Shared);

impl Middleware for Breaks {
    fn inspect(&self, frame: &Frame, _: &Connection) -> Result<(), Error> {
        // The frame that shows that all is well is not the one that breaks.
        if !matches!(frame, Frame::Text(text) if text.contains("fine")) {
            self.0.reached("inspect");
        }
        Ok(())
    }

    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        if message.name() != "fine" {
            self.0.reached("handle");
        }
        next.run(message).await
    }
}

/// What a client gets for it.
enum Told {
    /// A response instead of the upgrade.
    Status(u16),
    /// An `error` frame of a fault, and the connection lives on.
    Error,
    /// The same of another error, and of the fault in answering it.
    Closed(CloseCode),
    /// Nothing: it has gone.
    Nothing,
}

/// Where, how a client brings it about, what it is told.
const TYPED: [(&str, &str, Told); 18] = [
    ("accept", "", Told::Status(500)),
    ("user", "", Told::Status(500)),
    ("connect", "", Told::Closed(CloseCode::INTERNAL_ERROR)),
    ("", r#"{"type":"sync","id":1}"#, Told::Error),
    ("", r#"{"type":"async","id":1}"#, Told::Error),
    ("", r#"{"type":"after_waiting","id":1}"#, Told::Error),
    ("", r#"{"type":"extractor","id":1}"#, Told::Error),
    ("", r#"{"type":"say","id":1,"data":{"text":"validated"}}"#, Told::Error),
    ("", r#"{"type":"say","id":1,"data":{"text":"parsed"}}"#, Told::Error),
    ("", r#"{"type":"reply","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"send","id":1,"data":"written"}"#, Told::Error),
    ("", r#"{"type":"ordered","id":1,"data":{"key":"parsed"}}"#, Told::Error),
    ("", r#"{"type":"ordered","id":1,"data":{"key":"hashed"}}"#, Told::Error),
    ("inspect", r#"{"type":"sync"}"#, Told::Error),
    ("handle", r#"{"type":"sync","id":1}"#, Told::Error),
    ("error", r#"{"type":"fail","id":1}"#, Told::Error),
    ("error", r#"{"type":"fail_beside","id":1}"#, Told::Error),
    ("disconnect", "", Told::Nothing),
];

struct Scene {
    layer: ChannelLayer,
    place: Shared,
    app: Router,
}

impl Scene {
    fn new<C: channels::Consumer<State = Shared>>(name: &'static str) -> Self {
        // A place that is not given back would refuse the next connection.
        let config = Config::builder().max_connections_per_client(1).max_total_connections(1).build().unwrap();
        let layer = ChannelLayer::memory_with(config);
        let place = Arc::new(Place { name, ends: AtomicUsize::new(0) });
        let serve = layer.serve::<C>().middleware(Breaks(Arc::clone(&place)));
        let app = Router::new().route("/ws/{user}", serve.into_route()).with_state(Arc::clone(&place));
        Self { layer, place, app }
    }

    /// Nobody is there any more, in the registry and in the backend; how often `#[disconnect]` had run.
    async fn empty(&self) -> usize {
        for _ in 0..20_000 {
            let (stats, counts) = (self.layer.stats(), self.layer.counts().await.unwrap());
            if (stats.connections, stats.users, stats.groups, counts.connections, counts.users) == (0, 0, 0, 0, 0) {
                return self.place.ends.load(Ordering::SeqCst);
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("{:?} is left of {}", self.layer.stats(), self.place.name);
    }
}

async fn told_of_a_fault(client: &mut Client, what: &str) {
    let told = client.next_message().await;
    assert_eq!((&*told.name, &told.data["error_code"]), ("error", &json!("SYSTEM_ERROR")), "{what}");
    assert!(!told.data.to_string().contains("hunter2"), "{what}: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_is_told_and_counted_and_leaves_nothing_behind() {
    for (name, frame, told) in TYPED {
        let what = format!("{name} {frame}");
        let scene = Scene::new::<Typed>(name);
        // Twice: what the first one left behind would be in the way of the second.
        for round in 1..=2 {
            let connected = testing::connect_to(&scene.app).path("/ws/ada").await;
            let mut ends = round;
            match (&told, connected) {
                (Told::Status(status), Err(refusal)) => {
                    assert_eq!(refusal.status().as_u16(), *status, "{what}");
                    assert!(!refusal.body().contains("hunter2"), "{what}: {}", refusal.body());
                    ends = 0;
                }
                (Told::Closed(code), Ok(mut ada)) => {
                    told_of_a_fault(&mut ada, &what).await;
                    assert_eq!(ada.closed().await.code(), *code, "{what}");
                }
                (Told::Error, Ok(mut ada)) => {
                    ada.send_text(frame).await;
                    told_of_a_fault(&mut ada, &what).await;
                    ada.send_text(r#"{"type":"fine","id":2}"#).await;
                    assert_eq!(ada.next_message().await.name, "$ok", "{what}: it lives on");
                    ada.close(1000).await;
                }
                (Told::Nothing, Ok(mut ada)) => ada.close(1000).await,
                (_, Ok(_)) => panic!("{what}: it was let in"),
                (_, Err(refusal)) => panic!("{what}: {refusal:?}, place {round}"),
            }
            assert_eq!(scene.empty().await, ends, "{what}: `#[disconnect]`");
            // The error that `#[error]` was asked about is one as well.
            let each = if name == "error" { 2 } else { 1 };
            assert_eq!(scene.layer.stats().errors_total(), each * round as u64, "{what}: counted");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_what_a_message_is_ordered_by_costs_that_message_only() {
    let scene = Scene::new::<Typed>("");
    let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
    ada.send_text(r#"{"type":"linger","id":1}"#).await;
    for (id, key) in [(2, "hashed"), (3, "parsed")] {
        ada.send_text(format!(r#"{{"type":"ordered","id":{id},"data":{{"key":"{key}"}}}}"#)).await;
        let told = ada.next_message().await;
        assert_eq!((&told.data["error_code"], &told.re), (&json!("SYSTEM_ERROR"), &Some(json!(id))), "{key}");
    }
    let lingered = ada.next_message().await;
    assert_eq!((lingered.name.as_str(), lingered.re), ("$ok", Some(json!(1))), "it ran beside them, to its end");
    assert_eq!(scene.layer.stats().errors_total(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_raw_frame_is_told_and_counted_and_leaves_nothing_behind() {
    for name in ["on_text", "on_binary"] {
        let scene = Scene::new::<Raw>(name);
        let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
        match name {
            "on_text" => ada.send_text(name).await,
            _ => ada.send_binary(&b"x"[..]).await,
        }
        told_of_a_fault(&mut ada, name).await;
        ada.send_text("fine").await;
        assert_eq!(ada.next_frame().await, Frame::Text("fine".into()), "{name}: it lives on");
        drop(ada);
        assert_eq!(scene.empty().await, 1, "{name}: `#[disconnect]`");
        assert_eq!(scene.layer.stats().errors_total(), 1, "{name}: counted");
    }
}
