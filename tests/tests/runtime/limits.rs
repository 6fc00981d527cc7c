//! Limits refuse before the upgrade, are never exceeded, and are free again when somebody leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use channels::{ChannelLayer, Config};
use channels_tests::cluster;
use channels_tests::probe::{Act, Group, Stage, World};
use serde_json::json;
use tokio::task::JoinSet;

fn limited(per_user: usize, total: usize) -> Config {
    Config::builder().max_connections_per_client(per_user).max_total_connections(total).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn too_many_of_a_user_are_429() {
    let stage = Stage::with(World::default(), limited(2, 10));
    let ada = [stage.connect("ada").await, stage.connect("ada").await];
    let refused = stage.try_connect("ada").await.unwrap_err();
    assert_eq!(refused.status(), 429);
    let body: serde_json::Value = serde_json::from_str(refused.body()).unwrap();
    assert_eq!(body["error_code"], "CONNECTION_LIMIT_EXCEEDED");
    let _bob = stage.connect("bob").await;
    assert_eq!(stage.layer.stats().refused, 1);
    drop(ada);
    stage.until(|_| stage.layer.registry().connection_count() == 1).await;
    let _again = [stage.connect("ada").await, stage.connect("ada").await];
    stage.try_connect("ada").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn too_many_in_all_are_503() {
    let stage = Stage::with(World::default(), limited(10, 3));
    let inside = [stage.connect("ada").await, stage.connect("bob").await, stage.connect("-").await];
    for user in ["ada", "eve", "-"] {
        assert_eq!(stage.try_connect(user).await.unwrap_err().status(), 503, "{user}");
    }
    assert_eq!(stage.layer.stats().refused, 3);
    drop(inside);
    stage.empty().await;
    stage.connect("eve").await;
}

#[tokio::test(start_paused = true)]
async fn anonymous_connections_have_no_users_limit() {
    let stage = Stage::with(World::default(), limited(1, 5));
    let mut inside = Vec::new();
    for _ in 0..5 {
        inside.push(stage.connect("-").await);
    }
    stage.until(|_| stage.layer.registry().connection_count() == 5).await;
    assert_eq!(stage.counts().await, (5, 0, 0, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draining_server_is_503_and_says_when_to_come_back() {
    let config = Config::builder().reconnect_delay(Duration::from_millis(2500)).build().unwrap();
    let stage = Stage::with(World::default(), config);
    stage.layer.drain();
    let refused = stage.try_connect("ada").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (503, Some("3")));
    assert!(stage.layer.ready().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_user_id_that_is_none_is_a_400() {
    let stage = Stage::new(World::default());
    let long = "x".repeat(10_000);
    for path in ["%0A", "a%00b", "%7F", "%FF", &long] {
        let refused = stage.try_connect(path).await.unwrap_err();
        assert_eq!(refused.status(), 400, "{path:.20}");
    }
    let longest = "é".repeat(128);
    let encoded: String = longest.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let ada = stage.connect(&encoded).await;
    assert_eq!(ada.connection().user().unwrap().as_str(), longest);
    stage.until(|world| world.connects.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn there_are_as_many_groups_as_may_be() {
    let stage = Stage::with(World::default(), Config::builder().max_total_groups(2).build().unwrap());
    let (mut ada, mut bob) = (stage.connect("ada").await, stage.connect("bob").await);
    for (client, group, name) in
        [(1, "a", "$ok"), (1, "b", "$ok"), (1, "c", "error"), (2, "a", "$ok"), (2, "c", "error")]
    {
        let client = if client == 1 { &mut ada } else { &mut bob };
        client.request(1, "join", &Group { group: group.into() }).await;
        let told = client.next_message().await;
        assert_eq!(told.name, name, "{group}");
        assert!(told.name != "error" || told.data["error_code"] == "BACKEND_ERROR");
    }
    assert_eq!(stage.layer.registry().group_count(), 2);
    ada.send("leave", &Group { group: "b".into() }).await;
    ada.request(1, "join", &Group { group: "c".into() }).await;
    assert_eq!(ada.next_message().await.name, "$ok", "a group without members is free again");
    drop((ada, bob));
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_groups_name_has_a_length() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    for (group, name) in
        [(String::new(), "error"), ("x".repeat(513), "error"), ("x".repeat(512), "$ok"), ("\0🦀".into(), "$ok")]
    {
        ada.request(1, "join", &Group { group: group.clone() }).await;
        assert_eq!(ada.next_message().await.name, name, "{group:.9}");
    }
}

/// Many at once, on several threads, again and again, while others leave.
async fn never_exceeded(stages: Vec<Stage>, limit: usize, user: impl Fn(usize) -> String) {
    let stages: Arc<[Stage]> = stages.into();
    let inside = Arc::new(AtomicUsize::new(0));
    let admitted = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let (stages, user) = (Arc::clone(&stages), user(number));
        let (inside, admitted) = (Arc::clone(&inside), Arc::clone(&admitted));
        tasks.spawn(async move {
            for _ in 0..10 {
                let Ok(mut client) = stages[number % stages.len()].try_connect(&user).await else { continue };
                admitted.fetch_add(1, Ordering::SeqCst);
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(now <= limit, "{now} are inside, and {limit} may be");
                client.request(1, "quiet", &json!({})).await;
                assert_eq!(client.next_message().await.name, "$ok");
                inside.fetch_sub(1, Ordering::SeqCst);
                client.close(1000).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(admitted.load(Ordering::SeqCst) >= limit);
    for stage in &*stages {
        stage.empty().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_once_never_exceed_a_users_limit() {
    never_exceeded(vec![Stage::with(World::default(), limited(7, 1000))], 7, |_| "ada".into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_once_never_exceed_the_total() {
    never_exceeded(vec![Stage::with(World::default(), limited(1000, 7))], 7, |number| format!("user-{number}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_two_servers_never_exceed_a_users_limit() {
    let mut stages = Vec::new();
    for node in cluster::nodes(2) {
        let layer = ChannelLayer::builder(limited(7, 1000)).backend(node).connect().await.unwrap();
        stages.push(Stage::over(World::default(), layer));
    }
    never_exceeded(stages, 7, |_| "ada".into()).await;
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_from_before_connect_until_after_disconnect() {
    let second = Duration::from_secs(1);
    let world = World { on_connect: Act::Wait(second), on_disconnect: Act::Wait(second), ..World::default() };
    let stage = Stage::with(world, limited(1, 10));
    let mut ada = stage.connect("ada").await;
    assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429);
    ada.close(1000).await;
    ada.closed().await;
    assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429, "its #[disconnect] still runs");
    stage.empty().await;
    stage.connect("ada").await;
}
