//! A consumer that waits only so long for a client's first frame.

use std::time::Duration;

use channels::prelude::*;
use channels::{CloseCode, ConnectionState, testing};
use channels_tests::watched::Watched;
use serde_json::json;
use tokio::time::{Instant, sleep};

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
struct Patient;

#[consumer(incoming = Ask)]
impl Patient {
    #[on("quiet")]
    fn quiet(&self) {}
}

/// It is somebody, and takes its time to say hello.
#[derive(Default)]
struct Slow;

#[derive(Clone, Debug, Outgoing)]
enum Hello {
    Hello,
}

#[consumer(incoming = Ask, outgoing = Hello, first_frame = "2s", state = Duration)]
impl Slow {
    #[user]
    fn user(&self) -> Option<UserId> {
        UserId::new("ada").ok()
    }

    #[connect]
    async fn connected(&self, conn: Connection, State(takes): State<Duration>) -> Result<(), channels::Error> {
        sleep(takes).await;
        conn.send(Hello::Hello)
    }

    #[on("quiet")]
    fn quiet(&self) {}
}

const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn who_says_nothing_in_time_is_closed_with_4408() {
    let layer = ChannelLayer::memory();
    let mut mute = testing::connect::<Impatient>(&layer, ()).await.unwrap();
    let patient = testing::connect::<Patient>(&layer, ()).await.unwrap();
    let began = Instant::now();
    let reason = mute.closed().await;
    assert_eq!((reason.code(), reason.text()), (CloseCode::HEARTBEAT_LOST, "the first frame took too long to come"));
    let took = began.elapsed();
    assert!(took >= WITHIN && took <= WITHIN + WITHIN / 4, "{took:?}");
    assert_eq!(layer.stats().timed_out, 1);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(patient.connection().state(), ConnectionState::Connected, "it never asked for that");
}

#[tokio::test(start_paused = true)]
async fn any_data_frame_is_a_first_one_and_then_silence_is_allowed() {
    let layer = ChannelLayer::memory();
    for frame in ["no json", r#"{"type": "quiet"}"#, ""] {
        let mut client = testing::connect::<Impatient>(&layer, ()).await.unwrap();
        sleep(WITHIN - Duration::from_secs(1)).await;
        client.send_text(frame).await;
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(client.connection().state(), ConnectionState::Connected, "{frame}");
    }
    let mut binary = testing::connect::<Impatient>(&layer, ()).await.unwrap();
    binary.send_binary(&b"x"[..]).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(binary.connection().state(), ConnectionState::Connected);
}

#[tokio::test(start_paused = true)]
async fn a_pong_is_no_first_frame() {
    let config = Config::builder()
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let layer = ChannelLayer::memory_with(config);
    let mut client = testing::connect::<Impatient>(&layer, ()).await.unwrap();
    assert_eq!(client.closed().await.text(), "the first frame took too long to come");
    assert!(client.pings() > 3, "it answered {}", client.pings());
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_made_later_is_looked_at_in_time_too() {
    let layer = ChannelLayer::memory();
    // The sweep has begun, every 7.5 s.
    let _patient = testing::connect::<Patient>(&layer, ()).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    let mut first = testing::connect::<Impatient>(&layer, ()).await.unwrap();
    first.request(1, "quiet", &json!({})).await;
    sleep(Duration::from_secs(8)).await;
    let mut mute = testing::connect::<Impatient>(&layer, ()).await.unwrap();
    let began = Instant::now();
    mute.closed().await;
    assert!(began.elapsed() <= WITHIN + WITHIN / 4, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_the_backend_makes_a_connection_known_nobody_is_mute() {
    let watched = Watched::default();
    let layer = watched.layer().await;
    // The first of a user's connections needs a subscription.
    let subscriptions = watched.hold_subscriptions();
    let mut client = testing::connect::<Slow>(&layer, Duration::ZERO).await.unwrap();
    client.request(1, "quiet", &json!({})).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(client.connection().state(), ConnectionState::Connecting);
    subscriptions.add_permits(1);
    for name in ["hello", "$ok"] {
        assert_eq!(client.next_message().await.name, name);
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(client.connection().state(), ConnectionState::Connected, "its first frame was there all the time");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_slow_welcome_has_its_whole_time_after_it() {
    let watched = Watched::default();
    let layer = watched.layer().await;
    let admissions = watched.hold_admissions();
    let (permit, mut client) = tokio::join!(
        async {
            sleep(Duration::from_secs(4)).await;
            admissions.add_permits(2);
        },
        async { testing::connect::<Slow>(&layer, Duration::from_secs(5)).await.unwrap() },
    );
    let () = permit;
    assert_eq!(client.next_message().await.name, "hello");
    sleep(Duration::from_millis(1500)).await;
    client.request(1, "quiet", &json!({})).await;
    assert_eq!(client.next_message().await.name, "$ok");

    let mut mute = testing::connect::<Slow>(&layer, Duration::from_secs(5)).await.unwrap();
    assert_eq!(mute.next_message().await.name, "hello");
    let began = Instant::now();
    assert_eq!(mute.closed().await.text(), "the first frame took too long to come");
    let (took, within) = (began.elapsed(), Duration::from_secs(2));
    assert!(took >= within && took <= within + within / 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_not_read_the_welcome_yet_may_have_spoken() {
    let config = Config::builder().outbox_messages(10).enable_heartbeat(false).build().unwrap();
    let layer = ChannelLayer::memory_with(config);
    let mut client = testing::connect::<Slow>(&layer, Duration::ZERO).await.unwrap();
    client.stop_reading();
    client.request(1, "quiet", &json!({})).await;
    // There is no room for an answer, so that nothing is handled.
    for _ in 0..8 {
        client.connection().send(Hello::Hello).unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(client.connection().state(), ConnectionState::Connected);
    client.go_on_reading();
    for _ in 0..9 {
        assert_eq!(client.next_message().await.name, "hello");
    }
    assert_eq!(client.next_message().await.name, "$ok");
}
