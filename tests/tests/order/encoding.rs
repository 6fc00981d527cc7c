//! What a message becomes on its way, compressed or in another encoding, is made before its topic is locked.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use channels::message::{Frame, Serializer};
use channels::{ChannelLayer, Config};
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

/// An encoding that takes until it is let go on.
#[derive(Debug)]
struct Slow {
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Serializer for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn encode(&self, json: &ByteString) -> Result<Frame, channels::BoxError> {
        if json.contains("slow") {
            self.begun.lock().unwrap().send(())?;
            self.go_on.lock().unwrap().recv_timeout(PATIENCE * 2)?;
        }
        Ok(Frame::Binary(json.as_bytes().clone()))
    }

    fn decode(&self, bytes: Bytes) -> Result<ByteString, channels::BoxError> {
        Ok(ByteString::try_from(bytes)?)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_message_that_takes_long_to_encode_keeps_nobody_from_its_topic() {
    let ((begins, begun), (goes, go_on)) = (channel(), channel());
    let slow = Slow { begun: Mutex::new(begins), go_on: Mutex::new(go_on) };
    let layer = ChannelLayer::builder(Config::default()).serializer(slow).connect().await.unwrap();
    let stage = Stage::over(World { groups: vec!["all"], ..World::default() }, layer);
    let mut ada = stage.connecting("ada").protocol("channels.v1.slow").await.unwrap();
    let mut bob = stage.connect("bob").await;
    ada.joined("all").await;
    bob.joined("all").await;

    let layer = stage.layer.clone();
    let by_layer = tokio::spawn(async move {
        layer.send_to_group("all", ServerMessage::Said(Text { text: "slow".into() })).await.unwrap();
    });
    // Once by whoever calls the layer, once by a handler, whose sends wait for the end of its burst.
    for from_a_handler in [false, true] {
        if from_a_handler {
            bob.send("say", &json!({"group": "all", "text": "slow, by a handler"})).await;
        }
        begun.recv_timeout(PATIENCE).unwrap();
        let (sent, received) = tokio::sync::oneshot::channel();
        let layer = stage.layer.clone();
        // On a thread of its own: where the topic is locked it would wait for the end of the encoding.
        std::thread::spawn(move || sent.send(layer.registry().group_len("all")));
        let members = tokio::time::timeout(PATIENCE, received).await;
        goes.send(()).unwrap();
        assert_eq!(members.expect("the topic is locked while a message is encoded").unwrap(), 2);
        let expected = if from_a_handler { "slow, by a handler" } else { "slow" };
        assert_eq!(bob.recv::<Text>().await.text, expected);
        let Frame::Binary(bytes) = ada.next_frame().await else { panic!("no bytes") };
        assert!(std::str::from_utf8(&bytes).unwrap().contains(expected));
    }
    by_layer.await.unwrap();
}
