//! Messages that never arrive whole: bounded, timed out, counted. Over pipes, so that time is paused.

use std::time::Duration;

use channels::{ClosedBy, Config};
use channels_tests::frame::Frame;
use channels_tests::pipe::{self, Dialer};
use channels_tests::probe::{Stage, World};
use channels_tests::socket::{Running, Socket};
use channels_tests::transports::app;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

struct House {
    stage: Stage,
    dialer: Dialer,
    _running: Running,
}

impl House {
    /// No heartbeats: only the message's own time counts, and its bytes where they are limited.
    fn open(is_limited: bool) -> Self {
        let limits = is_limited.then_some(("WS_BYTES_PER_CONNECTION", "1MiB/1s"));
        let config = Config::builder().vars(limits).unwrap();
        let config = config.enable_heartbeat(false).message_timeout(MESSAGE_TIMEOUT).build().unwrap();
        let stage = Stage::with(World::default(), config);
        let (listener, dialer) = pipe::listen();
        let running = Running::start(&stage, listener, app(&stage));
        Self { stage, dialer, _running: running }
    }

    async fn connect(&self, user: &str) -> Socket<DuplexStream> {
        Socket::over(self.dialer.dial(), format!("ws://localhost/ws/{user}")).await.unwrap()
    }

    /// The one connection has been closed for its slowness, in time, and nothing of it is left.
    async fn timed_out_since(&self, began: Instant) {
        self.stage.until(|world| world.ends().len() == 1).await;
        let end = self.stage.world.ends().pop().unwrap();
        assert_eq!((end.code, end.by), (4408, ClosedBy::Server));
        let took = began.elapsed();
        assert!(took >= MESSAGE_TIMEOUT && took <= MESSAGE_TIMEOUT * 3 / 2, "{took:?}");
        self.stage.until(|_| self.dialer.open() == 0).await;
        let stats = self.stage.layer.stats();
        assert_eq!((stats.connections, stats.timed_out, stats.lost), (0, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_for_ever_is_timed_out() {
    for half in
        [&b"\x81"[..], b"\x81\xfe", b"\x81\xfe\x00\x7e\0\0\0\0half", b"\x01\x81\0\0\0\0x", b"\x89\x85\0\0\0\0pi"]
    {
        for is_limited in [false, true] {
            let house = House::open(is_limited);
            let mut ada = house.connect("ada").await;
            let began = Instant::now();
            ada.0.get_mut().write_all(half).await.unwrap();
            house.timed_out_since(began).await;
            // The close frame came, and then the end.
            let mut told = Vec::new();
            ada.0.get_mut().read_to_end(&mut told).await.unwrap();
            assert!(told.windows(2).any(|at| at == 4408_u16.to_be_bytes()), "{told:x?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_timed_out_too() {
    for is_limited in [false, true] {
        let house = House::open(is_limited);
        let mut ada = house.connect("ada").await;
        let began = Instant::now();
        let bytes = Frame::text("x".repeat(1000)).bytes();
        let writing = async {
            for byte in bytes {
                if ada.0.get_mut().write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = writing => panic!("it was all taken"),
            () = house.timed_out_since(began) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_empty_fragments_is_one_message_that_takes_too_long() {
    for is_limited in [false, true] {
        let house = House::open(is_limited);
        let mut ada = house.connect("ada").await;
        let began = Instant::now();
        let writing = async {
            let mut bytes = Frame::text("").more().bytes();
            while ada.0.get_mut().write_all(&bytes).await.is_ok() {
                bytes = Frame::continuation("").more().bytes();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = writing => {}
            () = house.timed_out_since(began) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn control_frames_between_fragments_buy_no_time() {
    for is_limited in [false, true] {
        let house = House::open(is_limited);
        let mut ada = house.connect("ada").await;
        let began = Instant::now();
        ada.0.get_mut().write_all(&Frame::text("half").more().bytes()).await.unwrap();
        let pinging = async {
            while ada.0.get_mut().write_all(&Frame::ping("").bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = pinging => {}
            () = house.timed_out_since(began) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_but_in_time_is_fine_and_each_message_has_its_own_time() {
    for is_limited in [false, true] {
        let house = House::open(is_limited);
        let mut ada = house.connect("ada").await;
        assert_eq!(ada.request("quiet", json!({})).await["type"], "$ok");
        for _ in 0..5 {
            let bytes = Frame::text(r#"{"type":"quiet","id":1,"data":{}}"#).bytes();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            ada.0.get_mut().write_all(first).await.unwrap();
            tokio::time::sleep(MESSAGE_TIMEOUT * 2 / 3).await;
            ada.0.get_mut().write_all(second).await.unwrap();
            assert_eq!(ada.next_json().await["type"], "$ok");
        }
        assert_eq!(house.stage.layer.stats().timed_out, 0);
    }
}

/// What a heartbeat asks for cannot come in the middle of a frame: the bytes themselves are the sign of life.
#[tokio::test(start_paused = true)]
async fn a_long_upload_is_no_lost_heartbeat() {
    let config = Config::builder()
        .heartbeat_interval(Duration::from_secs(2))
        .heartbeat_timeout(Duration::from_secs(4))
        .message_timeout(Duration::from_secs(60));
    let stage = Stage::with(World::default(), config.build().unwrap());
    let (listener, dialer) = pipe::listen();
    let _running = Running::start(&stage, listener, app(&stage));
    let mut ada = Socket::over(dialer.dial(), "ws://localhost/ws/ada").await.unwrap();
    let text = json!({"type": "echo", "data": {"text": "x".repeat(40)}}).to_string();
    for byte in Frame::text(text).bytes() {
        ada.0.get_mut().write_all(&[byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(ada.next_json().await["type"], "said");
    assert_eq!(stage.layer.stats().timed_out, 0);
}
