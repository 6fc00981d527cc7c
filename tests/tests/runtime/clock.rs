//! Clocks that jump. The wall clock decides nothing, which holds by construction: nothing here sets it, every place that asks for
//! it is known. That of Redis is in `redis/clock.rs`, the end of a login in the guide and the chat's tests. And when the other
//! one leaps, since the machine was suspended, nobody is punished for what they could not say meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use channels::{CloseCode, Config, ConnectionState, Incoming, consumer, testing};
use channels_tests::probe::{Stage, Text, World};
use channels_tests::raw::Raw;
use channels_tests::socket::serve;
use serde_json::json;
use tokio::time::{Instant, advance, sleep};

#[derive(Debug, Incoming)]
enum Ask {
    Quiet,
}

#[derive(Default)]
struct Impatient;

#[consumer(incoming = Ask, first_frame = "10s")]
impl Impatient {
    #[on("quiet")]
    fn quiet(&self) {}
}

#[derive(Default)]
struct Hasty;

#[consumer(incoming = Ask, first_frame = "1s")]
impl Hasty {
    #[on("quiet")]
    fn quiet(&self) {}
}

const HOUR: Duration = Duration::from_secs(3600);

/// Where the library asks for the wall clock, and what for. Each only tells somebody a moment, or makes an id that its random
/// bits keep apart: a jump shows in what is told, and changes nothing that is done.
const WALL_CLOCK: [(&str, &str); 14] = [
    ("backend/claim.rs", "the token of an attempt, which is only compared"),
    ("backend/health.rs", "when an interruption began and ended, in reports"),
    ("backend/memory.rs", "when this server came, for whoever looks at it"),
    ("backend/redis/lease.rs", "the random half of an id"),
    ("backend/redis/link.rs", "until when what others sent has been heard, in reports"),
    ("backend/redis/membership.rs", "the same"),
    ("backend/redis/net.rs", "until when the servers of Redis were as we had them, in reports"),
    ("backend/redis/node.rs", "when an interruption began, in reports"),
    ("config/text.rs", "the random half of a server's name"),
    ("consumer/reading.rs", "`timestamp` of `pong`"),
    ("error/mod.rs", "`timestamp` and `error_id` of an error"),
    ("inspector/sample.rs", "when a sample was taken, for whoever looks at it"),
    ("inspector/servers.rs", "how long ago that was, for whoever looks at it"),
    ("layer/manager/mod.rs", "the random half of an incarnation"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_wall_clock_is_asked_only_where_a_moment_is_told() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels/src");
    let mut files = Vec::new();
    sources(&top, &mut files);
    let known: BTreeMap<_, _> = WALL_CLOCK.into_iter().collect();
    let mut found = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if ["SystemTime::now", "now_v7", "now_v1", "UNIX_EPOCH.elapsed"].iter().any(|call| code.contains(call)) {
            let name = file.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
            found.insert(name, ());
        }
    }
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), known.into_keys().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_hour_that_passes_at_once_closes_nobody_who_answers() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let silent = stage.connect("silent").await;
    silent.stop_answering();
    sleep(Duration::from_secs(1)).await;
    for leap in 1..=3 {
        advance(HOUR).await;
        sleep(Duration::from_secs(45)).await;
        assert_eq!(ada.connection().state(), ConnectionState::Connected, "leap {leap}");
        ada.send("echo", &Text { text: "still here".into() }).await;
        assert_eq!(ada.recv::<Text>().await.text, "still here");
    }
    // Who has really gone is found after the usual time.
    let began = Instant::now();
    stage.until(|_| silent.connection().state() == ConnectionState::Disconnected).await;
    assert!(began.elapsed() <= Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(ada.connection().state(), ConnectionState::Connected);
}

#[tokio::test(start_paused = true)]
async fn who_has_sent_nothing_yet_gets_the_time_for_a_first_frame_anew() {
    let stage = Stage::new(World::default());
    let mut mute = testing::connect::<Impatient>(&stage.layer, ()).await.unwrap();
    let mut slow = testing::connect::<Impatient>(&stage.layer, ()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    advance(Duration::from_secs(60)).await;
    let began = Instant::now();
    sleep(Duration::from_secs(8)).await;
    assert_eq!(slow.connection().state(), ConnectionState::Connected, "it had a second, and then eight");
    slow.send_json(&json!({"type": "quiet"})).await;
    assert_eq!(mute.closed().await.text(), "the first frame took too long to come");
    assert!(began.elapsed() <= Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(slow.connection().state(), ConnectionState::Connected);
}

#[tokio::test(start_paused = true)]
async fn stalls_that_matter_to_a_short_time_leave_the_long_ones_as_they_are() {
    let stage = Stage::new(World::default());
    let _hasty = testing::connect::<Hasty>(&stage.layer, ()).await.unwrap();
    let silent = stage.connect("silent").await;
    silent.stop_answering();
    let began = Instant::now();
    while silent.connection().state() != ConnectionState::Disconnected {
        assert!(began.elapsed() <= Duration::from_secs(75), "a stall of a second every ten keeps it alive");
        sleep(Duration::from_secs(10)).await;
        advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limits_go_on_after_an_hour_that_passes_at_once() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    for name in ["limited", "limited_here"] {
        for round in 0..2 {
            // Three, and not the sixty times three of an hour.
            for _ in 0..3 {
                ada.send_json(&json!({"type": name})).await;
                assert_eq!(ada.recv::<Text>().await.text, "passed", "{name}, round {round}");
            }
            ada.send_json(&json!({"type": name})).await;
            let told = ada.next_message().await;
            assert_eq!(told.data["error_code"], "RATE_LIMIT_EXCEEDED", "{name}, round {round}");
            let after = told.data["retry_after_ms"].as_u64().unwrap();
            assert!((1..=20_000).contains(&after), "{name}: {after} ms");
            advance(HOUR).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_expire_while_an_hour_passes_at_once_and_the_next_one_does_not() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &json!({"millis": 10})).await;
    ada.send_json(&json!({"type": "echo", "id": 1, "ttl_seconds": 60, "data": {"text": "old"}})).await;
    sleep(Duration::from_millis(5)).await;
    advance(HOUR).await;
    assert!(ada.next_message().await.name != "pong", "the handler's own end");
    let told = ada.next_message().await;
    assert_eq!((&*told.name, told.re), ("error", Some(json!(1))));
    assert_eq!(stage.layer.stats().expired, 1);
    ada.send_json(&json!({"type": "echo", "ttl_seconds": 60, "data": {"text": "new"}})).await;
    assert_eq!(ada.recv::<Text>().await.text, "new");
}

/// Time is paused with a real socket: half a message has arrived, and then an hour passes at once.
#[tokio::test]
async fn half_a_message_gets_its_time_anew_and_no_more() {
    let config = Config::builder().message_timeout(Duration::from_secs(20)).enable_heartbeat(false).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let server = serve(&stage).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&[0x81, 0xfe]).await;
    let connection = loop {
        if let Some(connection) = stage.layer.registry().batches(1).next().and_then(|mut batch| batch.pop()) {
            break connection;
        }
        sleep(Duration::from_millis(5)).await;
    };
    sleep(Duration::from_millis(200)).await;
    tokio::time::pause();
    advance(HOUR).await;
    sleep(Duration::from_secs(15)).await;
    assert_eq!(connection.state(), ConnectionState::Connected, "it has slept, and the client had no time");
    sleep(Duration::from_secs(15)).await;
    tokio::time::resume();
    let (opcode, payload) = raw.next().await.unwrap();
    assert_eq!((opcode, &payload[..2]), (8, &CloseCode::HEARTBEAT_LOST.as_u16().to_be_bytes()[..]));
}
