//! A listener of one's own, whose streams are no sockets: time is paused where it matters.

use std::time::Duration;

use channels::{ClosedBy, Config};
use channels_tests::contract;
use channels_tests::pipe::{self, Dialer};
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

struct Own {
    dialer: Dialer,
    running: Running,
}

impl Transport for Own {
    type Stream = DuplexStream;

    async fn serve(stage: &Stage) -> Self {
        let (listener, dialer) = pipe::listen();
        Self { dialer, running: Running::start(stage, listener, app(stage)) }
    }

    async fn connect(&self, path: &str) -> Socket<DuplexStream> {
        Socket::over(self.dialer.dial(), format!("ws://localhost{path}")).await.unwrap()
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

contract!(Own);

#[tokio::test]
async fn its_streams_are_read_written_and_dropped() {
    let stage = Stage::new(World::default());
    let server = Own::serve(&stage).await;
    let mut ada = server.connect("/ws/ada").await;
    ada.request("echo", json!({"text": "x".repeat(10_000)})).await;
    let (read, written) = server.dialer.bytes();
    assert!(read > 10_000 && written > 10_000, "{read} bytes read, {written} written");
    assert_eq!((server.dialer.accepted(), server.dialer.open()), (1, 1));
    ada.send_json(&json!({"type": "close"})).await;
    ada.closed().await;
    assert!(ada.next().await.is_none());
    stage.until(|_| server.dialer.open() == 0).await;
}

/// A stream that cannot be written to and on which something comes every now and then is waited for once, not anew each time.
#[tokio::test(start_paused = true)]
async fn last_words_take_a_second_at_most_all_in_all() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let server = Own::serve(&stage).await;
    let mut ada = server.connect("/ws/ada").await;
    ada.request("quiet", json!({})).await;
    server.dialer.break_writes();
    let message = ServerMessage::Said(Text { text: "is anybody there?".into() });
    stage.layer.send_to_group("all", message).await.unwrap();
    let began = Instant::now();
    while stage.world.ends().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(3), "it is still read on");
        let _ = ada.0.send(Message::Pong("".into())).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(stage.world.ends()[0].by, ClosedBy::Lost);
    stage.empty().await;
}

/// More pings in one burst than may wait for their answers: the last is answered, and nothing is lost beside them.
#[tokio::test]
async fn a_burst_of_pings_harms_nobody() {
    let stage = Stage::new(World::default());
    let server = Own::serve(&stage).await;
    let mut ada = server.connect("/ws/ada").await;
    ada.request("quiet", json!({})).await;
    for number in 0..100 {
        ada.0.feed(Message::Ping(number.to_string().into())).await.unwrap();
    }
    ada.0.feed(Message::text(json!({"type": "echo", "data": {"text": "still here"}}).to_string())).await.unwrap();
    soon("the burst", ada.0.flush()).await.unwrap();
    let mut pongs = Vec::new();
    let said = loop {
        match soon("an answer", ada.0.next()).await {
            Some(Ok(Message::Pong(payload))) => pongs.push(payload),
            Some(Ok(Message::Text(text))) => break text,
            other => panic!("{other:?}"),
        }
    };
    assert!(said.contains("still here"), "{said}");
    assert_eq!(pongs.last().map(|payload| &**payload), Some(&b"99"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_client_is_pinged_and_one_that_never_answers_is_closed() {
    let config =
        Config::builder().heartbeat_interval(Duration::from_secs(10)).heartbeat_timeout(Duration::from_secs(20));
    let stage = Stage::with(World::default(), config.build().unwrap());
    let server = Own::serve(&stage).await;
    let began = Instant::now();
    let mut silent = server.connect("/ws/silent").await;
    let mut ada = server.connect("/ws/ada").await;
    for _ in 0..3 {
        // Reading is what answers.
        assert!(matches!(ada.0.next().await, Some(Ok(Message::Ping(_)))));
    }
    stage.until(|world| world.ends().len() == 1).await;
    assert_eq!((stage.world.ends()[0].code, stage.world.ends()[0].by), (4408, ClosedBy::Server));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    // Read by hand: a client would first answer the pings, to nobody.
    let mut told = Vec::new();
    silent.0.get_mut().read_to_end(&mut told).await.unwrap();
    let close_frames = told.windows(4).filter(|at| at[0] == 0x88 && at[2..] == 4408_u16.to_be_bytes());
    assert_eq!(close_frames.count(), 1, "{told:x?}");
    assert_eq!(ada.request("quiet", json!({})).await["type"], "$ok");
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_again_is_closed_and_its_stream_dropped() {
    let config = Config::builder().outbox_messages(8).outbox_bytes(1 << 20).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = Own::serve(&stage).await;
    let mut ada = server.connect("/ws/ada").await;
    let _slow = server.connect("/ws/slow").await;
    stage.until(|_| stage.layer.registry().group_len("room") == 2).await;
    let mut sent = 0;
    while stage.layer.stats().dropped == 0 {
        let message = ServerMessage::Said(Text { text: "x".repeat(10_000) });
        stage.layer.send_to_group("room", message).await.unwrap();
        assert_eq!(ada.next_json().await["type"], "said");
        sent += 1;
    }
    assert!(sent < 64, "what waits for it is bounded: {sent} messages");
    stage.until(|world| world.ends().len() == 1).await;
    assert_eq!((stage.world.ends()[0].code, stage.world.ends()[0].groups.len()), (4413, 1));
    assert_eq!((stage.layer.stats().too_slow, stage.layer.stats().lost), (1, 0));
    let began = Instant::now();
    stage.until(|_| server.dialer.open() == 1).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(ada.request("quiet", json!({})).await["type"], "$ok");
}
