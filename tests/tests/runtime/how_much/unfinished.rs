//! What messages hold together that are not complete. Over pipes, so that time is paused.

use std::time::Duration;

use channels_tests::frame::{self, Frame};
use channels_tests::pipe::{self, Dialer};
use channels_tests::socket::{Running, Socket};
use channels_tests::transports::app;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const LIMIT: LimitName = LimitName::UnfinishedBytes;
const BOUND: usize = 256 << 10;
const VARS: [(&str, &str); 2] = [("WS_MAX_MESSAGE_SIZE", "64KiB"), ("WS_MAX_UNFINISHED_BYTES", "256KiB")];

struct House {
    stage: Stage,
    dialer: Dialer,
    running: Running,
}

impl House {
    fn open(vars: &[(&str, &str)]) -> Self {
        let stage = stage(&[&VARS, vars].concat());
        let (listener, dialer) = pipe::listen();
        let running = Running::start(&stage, listener, app(&stage));
        Self { stage, dialer, running }
    }

    async fn connect(&self, user: &str) -> Socket<DuplexStream> {
        Socket::over(self.dialer.dial(), format!("ws://localhost/ws/{user}")).await.unwrap()
    }

    /// One that may compress what it sends.
    async fn compressing(&self, user: &str) -> Socket<DuplexStream> {
        let mut stream = self.dialer.dial();
        let request = format!(
            "GET /ws/{user} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(String::from_utf8_lossy(&head).contains("permessage-deflate"));
        Socket::upgraded(stream).await
    }

    /// A client that has sent half of a message.
    async fn half_way(&self, user: &str) -> Socket<DuplexStream> {
        self.begun(user, &message()[..30_000]).await
    }

    async fn begun(&self, user: &str, half: &[u8]) -> Socket<DuplexStream> {
        let mut client = self.connect(user).await;
        write(&mut client, half).await;
        client
    }

    /// As many of them as there is room for, and the one that is refused.
    async fn full(&self) -> (Vec<Socket<DuplexStream>>, Socket<DuplexStream>) {
        let mut taken = Vec::new();
        loop {
            let client = self.half_way("ada").await;
            if counted(&self.stage, LIMIT) != (0, 0) {
                return (taken, client);
            }
            taken.push(client);
            assert!(
                self.held() >= taken.len() * 30_000 && self.held() <= BOUND,
                "{} hold {}",
                taken.len(),
                self.held()
            );
        }
    }

    fn held(&self) -> usize {
        self.stage.layer.stats().unfinished_bytes
    }
}

fn message() -> Vec<u8> {
    Frame::text(json!({"type": "echo", "id": 1, "data": {"text": "x".repeat(60_000)}}).to_string()).bytes()
}

/// Writes, and waits until it was read.
async fn write(client: &mut Socket<DuplexStream>, bytes: &[u8]) {
    client.0.get_mut().write_all(bytes).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn is_refused(told: &Value) {
    assert_eq!((&told["type"], &told["data"]["error_code"]), (&"error".into(), &"RATE_LIMIT_EXCEEDED".into()));
    assert_eq!(told["data"]["details"], json!({"limit": ["unfinished_bytes"]}));
    let after = told["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((5_000..=10_000).contains(&after), "once to twice WS_RECONNECT_DELAY: {after}");
}

#[tokio::test(start_paused = true)]
async fn who_would_hold_too_much_is_told_when_to_come_back_and_closed_and_nobody_else() {
    let house = House::open(&[]);
    let (mut taken, mut refused) = house.full().await;
    assert!(taken.len() > 2, "{} hold 30,000 each of {BOUND}", taken.len());
    is_refused(&refused.next_json().await);
    assert_eq!(refused.closed().await.0, 1013);
    assert_eq!(counted(&house.stage, LIMIT), (1, 0));
    // What comes at once is nobody's half message, and one that holds little finds room.
    let mut bob = house.connect("bob").await;
    assert_eq!(bob.request("quiet", json!({})).await["type"], "$ok");
    let small = Frame::text(json!({"type": "quiet", "id": 1, "data": "x".repeat(2_000)}).to_string()).bytes();
    write(&mut bob, &small[..1_000]).await;
    write(&mut bob, &small[1_000..]).await;
    assert_eq!(bob.next_json().await["type"], "$ok");
    // Who goes on holds more, too, and needs others to have ended.
    taken.truncate(3);
    tokio::time::sleep(Duration::from_millis(1)).await;
    for mut client in taken {
        write(&mut client, &message()[30_000..]).await;
        assert_eq!(client.next_json().await["data"]["text"].as_str().map(str::len), Some(60_000));
    }
    assert_eq!(house.held(), 0);
    let mut again = house.half_way("ada").await;
    write(&mut again, &message()[30_000..]).await;
    assert_eq!(again.next_json().await["re"], 1);
    assert_eq!(counted(&house.stage, LIMIT), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn it_is_given_back_once_whatever_ends_the_message() {
    let house = House::open(&[("WS_MESSAGE_TIMEOUT", "10s")]);
    let fragment = Frame::binary([7; 30_000]).more().bytes();
    for way in ["complete", "lost", "goodbye", "no sense", "not UTF-8", "closed", "late"] {
        let half = if ["goodbye", "no sense"].contains(&way) { &*fragment } else { &message()[..30_000] };
        let mut ada = house.begun("ada", half).await;
        let held = house.held();
        let other = house.half_way("bob").await;
        let both = house.held();
        assert!(held >= 30_000 && both >= held + 30_000, "{way}: {held} and {both}");
        match way {
            "complete" => write(&mut ada, &message()[30_000..]).await,
            "lost" => drop(ada),
            "goodbye" => write(&mut ada, &Frame::close(1000, "").bytes()).await,
            "no sense" => write(&mut ada, &Frame::text("not before the other ends").bytes()).await,
            "not UTF-8" => write(&mut ada, &[0; 16_000]).await,
            "closed" => {
                house.stage.layer.close_user("ada", "go").await.unwrap();
            }
            _ => tokio::time::sleep(Duration::from_secs(13)).await,
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        let left = if way == "late" { 0 } else { both - held };
        assert_eq!(house.held(), left, "{way}");
        drop(other);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(house.held(), 0, "{way}");
    }
    let _half = house.half_way("ada").await;
    let held = house.held();
    assert!(held > 0);
    let stage = house.stage;
    house.running.stop().await;
    assert_eq!(stage.layer.stats().unfinished_bytes, 0, "the drain");
    assert_eq!(counted(&stage, LIMIT), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn fragments_count_as_they_come_compressed_or_not() {
    let house = House::open(&[("WS_COMPRESSION", "true")]);
    let noise: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for rsv in [0, 4] {
        let mut ada = house.compressing("ada").await;
        write(&mut ada, &Frame::binary(&*noise).rsv(rsv).more().bytes()).await;
        let first = house.held();
        assert!((10_000..=20_480).contains(&first), "{first}");
        write(&mut ada, &frame::join([Frame::ping(""), Frame::continuation([1; 20_000]).more()])).await;
        assert!((30_000..=61_440).contains(&house.held()), "{}", house.held());
        drop(ada);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(house.held(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_had_come_of_a_message_that_is_refused_was_sent_all_the_same() {
    let house = House::open(&[("WS_BYTES_PER_USER", "300KiB/1h")]);
    let (taken, mut refused) = house.full().await;
    assert_eq!(refused.closed().await.0, 1013);
    let left = (300 << 10) - (taken.len() + 1) * 30_000;
    drop(taken);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut ada = house.connect("ada").await;
    let mut passed = 0;
    loop {
        let answer = ada.request("echo", json!({"text": "x".repeat(60_000)})).await;
        if answer["type"] == "error" {
            assert_eq!(answer["data"]["details"]["limit"], json!(["bytes_per_user"]));
            break;
        }
        passed += 1;
    }
    assert_eq!(passed, left / 60_000, "{left} were left");
}

#[tokio::test(start_paused = true)]
async fn where_it_only_looks_on_all_of_them_are_taken() {
    let house = House::open(&[("WS_OBSERVE_ONLY", LIMIT.as_str())]);
    let (mut taken, last) = house.full().await;
    taken.push(last);
    taken.push(house.half_way("ada").await);
    assert!(house.held() > BOUND, "{}", house.held());
    for client in &mut taken {
        write(client, &message()[30_000..]).await;
        assert_eq!(client.next_json().await["re"], 1);
    }
    assert_eq!(house.held(), 0);
    let (refused, observed) = counted(&house.stage, LIMIT);
    assert!(refused == 0 && observed >= 2, "{observed} of {}", taken.len());
}
