//! Consumers of frames, and of an encoding of the application's own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use channels::message::Frame;
use channels::prelude::*;
use channels::testing;
use channels::{Config, Error};
use channels_tests::logs::Logs;
use channels_tests::probe::{SECRET, Stage, World};
use serde_json::json;

use super::fragile::{BinaryJson, Touchy};
use super::{Scene, Shared, told_of_a_fault};

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

    #[on_binary(timeout = "5s")]
    async fn binary(&self, data: Bytes, conn: Connection, _: Touchy) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.place.reached("on_binary");
        self.place.stuck("stuck on_binary").await;
        conn.send_frame(Frame::Binary(data))
    }

    #[disconnect]
    fn left(&self) {
        self.place.ends.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_raw_frame_is_told_and_counted_and_leaves_nothing_behind() {
    for name in ["on_text", "on_binary", "stuck on_binary", "OnFrame", "stuck OnFrame", "inspect"] {
        let (scene, logs) = (Scene::new::<Raw>(name), Logs::listen());
        let mut ada = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap();
        match name {
            "on_text" | "inspect" => ada.send_text(name).await,
            _ => ada.send_binary(&b"x"[..]).await,
        }
        told_of_a_fault(&mut ada, name).await;
        ada.send_text("fine").await;
        assert_eq!(ada.next_frame().await, Frame::Text("fine".into()), "{name}: it lives on");
        drop(ada);
        assert_eq!(scene.empty().await, 1, "{name}: `#[disconnect]`");
        assert_eq!(scene.layer.stats().errors_total(), 1, "{name}: counted");
        assert_eq!(logs.with("cause", SECRET).len(), 1, "{name}: logged");
    }
}

/// Has no `#[accept]`, and cannot do without.
struct Unmade;

impl Default for Unmade {
    fn default() -> Self {
        panic!("{SECRET}");
    }
}

#[consumer(state = Shared)]
impl Unmade {
    #[on_text]
    fn text(&self, _: String) {}
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_making_of_a_consumer_is_told_and_counted_and_leaves_nothing_behind() {
    let scene = Scene::new::<Unmade>("");
    for round in 1..=2 {
        let refusal = testing::connect_to(&scene.app).path("/ws/ada").await.unwrap_err();
        assert_eq!(refusal.status().as_u16(), 500);
        assert_eq!((scene.empty().await, scene.layer.stats().errors_total()), (0, round));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_serializer_costs_the_message_only() {
    let (logs, builder) = (Logs::listen(), ChannelLayer::builder(Config::default()).serializer(BinaryJson));
    let stage = Stage::over(World::default(), builder.connect().await.unwrap());
    let mut ada = stage.connecting("ada").protocol("channels.v1.binary-json").await.unwrap();
    let mut heard = async |text: &str| {
        let message = json!({"type": "echo", "id": 1, "data": {"text": text}});
        ada.send_binary(message.to_string().into_bytes()).await;
        let Frame::Binary(answer) = ada.next_frame().await else { panic!("a text frame") };
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        match text {
            // Nobody knows whose answer that is.
            "decoded" => assert_eq!((&answer["data"]["error_code"], answer.get("re")), (&json!("SYSTEM_ERROR"), None)),
            "encoded" => {
                assert_eq!((&answer["data"]["error_code"], &answer["re"]), (&json!("SYSTEM_ERROR"), &json!(1)))
            }
            _ => assert_eq!((&answer["data"]["text"], &answer["re"]), (&json!(text), &json!(1))),
        }
    };
    heard("before").await;
    heard("decoded").await;
    heard("encoded").await;
    heard("after").await;
    assert_eq!(stage.layer.stats().errors_total(), 2);
    assert_eq!(logs.with("cause", SECRET).len(), 1);
    assert_eq!(logs.with("error", "the encoder panicked").len(), 1);
    assert_eq!(Arc::clone(&stage.world).texts(), ["before", "encoded", "after"]);
}
