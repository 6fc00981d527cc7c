//! The end of a server: nobody new, everybody told, everything queued written.

use std::time::Duration;

use channels::testing::Client;
use channels::{CloseCode, Config};
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::watched::Watched;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

const EXTRAS: &str = "channels.v1.json";

/// When a client comes back that was closed: at once, or when it was told to.
async fn comes_back(mut client: Client, is_told: bool) -> Instant {
    let wait = if is_told {
        let told = client.next_message().await;
        assert_eq!(told.name, "$reconnect");
        told.data["after_ms"].as_u64().unwrap()
    } else {
        0
    };
    assert_eq!(client.closed().await.code(), CloseCode::SERVICE_RESTART);
    Instant::now() + Duration::from_millis(wait)
}

/// A client whose session has not begun is told at once when it does; these tests are about the others.
async fn are_there(stage: &Stage, clients: usize) {
    stage.until(|_| stage.layer.registry().connection_count() == clients).await;
}

/// The most moments within any second.
fn busiest_second(moments: &[Instant]) -> usize {
    let after = |first: Instant| {
        let second = first..first + Duration::from_secs(1);
        moments.iter().filter(|at| second.contains(at)).count()
    };
    moments.iter().map(|first| after(*first)).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_more_come_back_a_second_than_the_rate() {
    const RATE: usize = 20;
    let config = Config::builder().reconnect_rate(RATE).drain_over(Duration::from_secs(4));
    let stage = Stage::with(World::default(), config.build().unwrap());
    let mut waiting = JoinSet::new();
    for _ in 0..40 {
        waiting.spawn(comes_back(stage.connect("-").await, false));
    }
    for _ in 0..160 {
        waiting.spawn(comes_back(stage.connecting("-").protocol(EXTRAS).await.unwrap(), true));
    }
    are_there(&stage, 200).await;
    let began = Instant::now();
    let drained = stage.layer.drained().await;
    assert_eq!((drained.closed, drained.dropped, drained.unsent), (200, 0, 0));
    // Told clients wait for their turns, so that the server need not.
    let took = began.elapsed();
    assert!((3900..4500).contains(&took.as_millis()), "{took:?}");
    let returns = waiting.join_all().await;
    // A step of ten milliseconds at either end.
    let busiest = busiest_second(&returns);
    assert!((RATE - 2..=RATE + 2).contains(&busiest), "{busiest}");
    let last = *returns.iter().max().unwrap() - began;
    assert!((9..=11).contains(&last.as_secs()), "{last:?} for 200 at {RATE} a second");
    stage.empty().await;
}

/// Admitted before the drain, and registered after it began: each is told at once, and has a turn of its own.
#[tokio::test(start_paused = true)]
async fn who_comes_in_at_the_last_moment_has_a_turn_too() {
    const RATE: usize = 10;
    let stage = Stage::with(World::default(), Config::builder().reconnect_rate(RATE).build().unwrap());
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        waiting.spawn(comes_back(stage.connecting("-").protocol(EXTRAS).await.unwrap(), true));
    }
    assert_eq!(stage.layer.registry().connection_count(), 0, "their sessions have not begun");
    let drained = stage.layer.drained().await;
    assert_eq!(drained.closed, 50);
    let busiest = busiest_second(&waiting.join_all().await);
    assert!((RATE - 1..=RATE + 1).contains(&busiest), "{busiest}");
    stage.empty().await;
}

/// Where the deadline has passed before all were told, a session whose handler was dropped ends by itself.
#[tokio::test(start_paused = true)]
async fn who_is_dropped_before_being_told_hears_of_a_turn_too() {
    let stage = Stage::with(World::default(), Config::builder().drain_timeout(Duration::ZERO).build().unwrap());
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut client = stage.connecting("-").protocol(EXTRAS).await.unwrap();
        client.send_json(&json!({"type": "hang"})).await;
        clients.push(client);
    }
    stage.until(|world| world.entered() == 1000).await;
    stage.layer.drained().await;
    for mut client in clients {
        assert_eq!(client.next_message().await.name, "$reconnect");
        assert_eq!(client.closed().await.code(), CloseCode::SERVICE_RESTART);
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_are_closed_at_once() {
    let stage = Stage::new(World::default());
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        waiting.spawn(comes_back(stage.connect("-").await, false));
        waiting.spawn(comes_back(stage.connecting("-").protocol(EXTRAS).await.unwrap(), true));
    }
    are_there(&stage, 6).await;
    let began = Instant::now();
    stage.layer.drained().await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    waiting.join_all().await;
}

/// Two a second, of which nobody knows which is the first.
fn slowly() -> Config {
    let config = Config::builder().reconnect_rate(2).drain_over(Duration::from_secs(5));
    config.drain_timeout(Duration::from_secs(20)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_is_not_closed_yet_goes_on_as_ever() {
    let stage = Stage::with(World { groups: vec!["all"], ..World::default() }, slowly());
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.connect("-").await);
    }
    stage.until(|_| stage.layer.registry().group_len("all") == 8).await;
    stage.layer.drain();
    for left in (1..8).rev() {
        stage.until(|_| stage.layer.registry().connection_count() == left).await;
        clients.retain(|client| stage.layer.registry().get(client.connection().id()).is_some());
        assert_eq!(clients.len(), left, "closed one after the other");
        let client = &mut clients[0];
        client.send("echo", &Text { text: format!("{left} are left") }).await;
        let receipt = stage.layer.send_to_group("all", ServerMessage::Said(Text { text: "to all".into() })).await;
        assert_eq!(receipt.unwrap().local, left);
        for (index, client) in clients.iter_mut().enumerate() {
            if index == 0 {
                let mut said = [client.recv::<Text>().await.text, client.recv::<Text>().await.text];
                said.sort();
                assert_eq!(said, [format!("{left} are left"), "to all".into()]);
            } else {
                assert_eq!(client.recv::<Text>().await.text, "to all");
            }
        }
    }
    assert_eq!(stage.layer.drained().await.unsent, 0);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_new_comes_in_from_the_first_moment() {
    let stage = Stage::with(World::default(), slowly());
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.connect("-").await);
    }
    are_there(&stage, 8).await;
    let too_long = "x".repeat(1000);
    assert_eq!(stage.try_connect(&too_long).await.unwrap_err().status(), 400, "that is what `#[accept]` says");
    let stop = tokio::spawn(stage.layer.shutdown_on(std::future::ready(())));
    stage.until(|_| stage.layer.ready().is_err()).await;
    // Also who would be refused for good otherwise: another server is to say so.
    for name in ["-", &too_long] {
        let refused = stage.try_connect(name).await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.header("retry-after").is_some()), (503, true));
    }
    assert_eq!(stage.layer.stats().refused_for_drain, 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.layer.registry().connection_count() > 2, "they are closed one after the other");
    assert!(!stop.is_finished(), "the listener stays until everybody has been told");
    stage.layer.drained().await;
    stop.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_all_have_gone_nothing_is_waited_for() {
    let stage = Stage::with(World::default(), slowly());
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.connect("-").await);
    }
    are_there(&stage, 8).await;
    let began = Instant::now();
    let stop = tokio::spawn(stage.layer.shutdown_on(std::future::ready(())));
    stage.until(|_| stage.layer.manager().is_draining()).await;
    drop(clients);
    let drained = stage.layer.drained().await;
    stop.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(drained.closed <= 2, "{drained:?}");
}

/// The closing leaves half of the deadline to what is queued.
#[tokio::test(start_paused = true)]
async fn the_closing_takes_half_of_the_deadline_at_most() {
    let config = Config::builder().reconnect_rate(1).drain_over(Duration::from_secs(60));
    let stage = Stage::with(World::default(), config.drain_timeout(Duration::from_secs(4)).build().unwrap());
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        waiting.spawn(comes_back(stage.connecting("-").protocol(EXTRAS).await.unwrap(), true));
    }
    are_there(&stage, 100).await;
    let began = Instant::now();
    let drained = stage.layer.drained().await;
    assert!((1900..2500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!((drained.closed, drained.dropped), (100, 0));
    let returns = waiting.join_all().await;
    assert_eq!(busiest_second(&returns), 1, "the rate holds all the same: the last waits for 99 seconds");
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_written_before_the_end() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.stop_reading();
    ada.send("many", &json!({"count": 100})).await;
    stage.until(|_| stage.layer.stats().messages_in == 1).await;
    stage.layer.drain();
    tokio::time::sleep(Duration::from_secs(1)).await;
    ada.go_on_reading();
    for number in 0..100 {
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
}

/// An outbox that is exactly full has no room for `$reconnect`, which is no reason to throw away what it should flush.
#[tokio::test(start_paused = true)]
async fn a_full_outbox_is_written_too_and_its_client_has_a_turn() {
    let stage = Stage::with(World::default(), Config::builder().outbox_messages(5).build().unwrap());
    let mut ada = stage.connecting("ada").protocol(EXTRAS).await.unwrap();
    ada.stop_reading();
    are_there(&stage, 1).await;
    for number in 0..5 {
        ada.connection().send(ServerMessage::Said(Text { text: number.to_string() })).unwrap();
    }
    stage.layer.drain();
    tokio::time::sleep(Duration::from_secs(1)).await;
    ada.go_on_reading();
    for number in 0..5 {
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    assert_eq!(ada.next_message().await.name, "$reconnect");
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
    assert_eq!(stage.layer.drained().await.unsent, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_runs_may_finish() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &json!({"millis": 3000})).await;
    stage.until(|world| world.entered() == 1).await;
    let began = tokio::time::Instant::now();
    let drained = stage.layer.drained().await;
    assert_eq!((drained.dropped, stage.world.finished()), (0, 1));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(ada.recv::<Text>().await.text, "waited", "and its reply comes before the close");
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_is_none_and_an_empty_one_ends_at_once() {
    let stage = Stage::new(World::default());
    let began = tokio::time::Instant::now();
    stage.layer.drain();
    stage.layer.drain();
    assert_eq!(stage.layer.drained().await.dropped, 0);
    assert_eq!(stage.layer.drained().await.dropped, 0);
    assert!(began.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_signal_begins_it() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let (signal, wait) = tokio::sync::oneshot::channel::<()>();
    let shutdown = tokio::spawn(stage.layer.shutdown_on(wait));
    ada.assert_silent().await;
    assert!(!shutdown.is_finished());
    signal.send(()).unwrap();
    shutdown.await.unwrap();
    assert!(stage.layer.manager().is_draining());
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
}

/// For as long as something is waited for, the server is reachable and says that it goes.
#[tokio::test(start_paused = true)]
async fn the_listener_stays_while_a_handler_runs_and_until_the_deadline_at_most() {
    for (message, millis) in [("wait", 2900..4000), ("hang", 10_000..10_500)] {
        let stage = Stage::new(World::default());
        let mut ada = stage.connect("ada").await;
        ada.send(message, &json!({"millis": 3000})).await;
        stage.until(|world| world.entered() == 1).await;
        let began = Instant::now();
        stage.layer.shutdown_on(std::future::ready(())).await;
        let stayed = began.elapsed().as_millis();
        assert!(millis.contains(&stayed), "{message}: {stayed} ms");
        stage.layer.drained().await;
    }
}

/// As a server is whose client has begun a request and never ends it.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_ends_by_itself_is_run_until_the_deadline() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    are_there(&stage, 1).await;
    let server = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.layer.drain();
        std::future::pending::<std::io::Result<()>>().await
    };
    let began = Instant::now();
    let drained = stage.layer.run(server).await.unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
    assert!((11_000..11_500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(ada.closed().await.code(), CloseCode::SERVICE_RESTART);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_is_drained_and_one_that_fails_is_not() {
    let stage = Stage::new(World::default());
    let _ada = stage.connect("ada").await;
    are_there(&stage, 1).await;
    assert_eq!(stage.layer.run(async { Err("no socket") }).await, Err("no socket"));
    assert!(stage.layer.ready().is_ok());
    let began = Instant::now();
    let drained = stage.layer.run(async { Ok::<(), ()>(()) }).await.unwrap();
    assert_eq!((drained.closed, drained.dropped), (1, 0));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nobody_slips_in_while_the_backend_thinks() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let gate = watched.hold_admissions();
    let connecting = tokio::spawn(stage.connecting("ada").into_future());
    stage.until(|_| watched.held_admissions() == 1).await;
    stage.layer.drain();
    let layer = stage.layer.clone();
    let drained = tokio::spawn(async move { layer.drained().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.add_permits(1);
    assert_eq!(connecting.await.unwrap().unwrap_err().status(), 503);
    let began = tokio::time::Instant::now();
    assert_eq!(drained.await.unwrap().dropped, 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_does_not_hold_it_up() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let _gate = watched.hold_admissions();
    let connecting = tokio::spawn(stage.connecting("ada").into_future());
    stage.until(|_| watched.held_admissions() == 1).await;
    let timeout = stage.layer.config().drain_timeout();
    let began = tokio::time::Instant::now();
    stage.layer.drained().await;
    assert!(began.elapsed() < timeout + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(connecting.await.unwrap().unwrap_err().status(), 503);
}

/// Its own time-out, that of the hooks, and five seconds: `drained` names no other bound.
#[tokio::test(start_paused = true)]
async fn a_backend_that_never_stops_does_not_hold_it_up() {
    let watched = Watched::default();
    watched.never_stops();
    let stage = Stage::over(World::default(), watched.layer().await);
    let mut ada = stage.connect("ada").await;
    ada.send("hang", &json!({})).await;
    stage.until(|world| world.entered() == 1).await;
    let config = stage.layer.config();
    let longest = config.drain_timeout() + config.disconnect_timeout() + Duration::from_secs(5);
    let drained = tokio::time::timeout(longest, stage.layer.drained()).await;
    assert_eq!(drained.expect("it takes no longer than is promised").dropped, 1);
}

/// Nothing but the server's word ends a session that waits for its client; all of them get it, however short the time.
#[tokio::test(start_paused = true)]
async fn a_drain_without_time_tells_everybody_all_the_same() {
    let config = Config::builder().drain_timeout(Duration::ZERO).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(stage.connect("-").await);
    }
    stage.layer.drained().await;
    for client in &mut clients {
        assert_eq!(client.closed().await.code(), CloseCode::SERVICE_RESTART);
    }
    assert_eq!(stage.world.ends().len(), 1000);
    stage.empty().await;
}
