//! Joining and leaving under concurrency: the registry, the groups' counts and the backend agree.

use std::sync::Arc;
use std::time::Duration;

use channels::backend::Topic;
use channels::{ConnectionState, ErrorCode};
use channels_tests::guarded::{Rights, enter};
use channels_tests::probe::{Stage, World};
use channels_tests::watched::Watched;
use tokio::task::JoinSet;

/// The backend hears of a group's last member before anybody joins again: otherwise its "unsubscribe"
/// would come after the new member's "subscribe", and leave that one deaf.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_with_members_is_never_left_unsubscribed() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let mut clients = Vec::new();
    for number in 0..4 {
        clients.push(stage.connect(&format!("user-{number}")).await);
    }
    stage.until(|_| clients.iter().all(|client| client.connection().state() == ConnectionState::Connected)).await;
    for round in 0..300 {
        let start = Arc::new(tokio::sync::Barrier::new(clients.len()));
        let mut tasks = JoinSet::new();
        for (number, client) in clients.iter().enumerate() {
            let (connection, start) = (client.connection().clone(), Arc::clone(&start));
            tasks.spawn(async move {
                start.wait().await;
                for _ in 0..5 {
                    connection.join("room").await.unwrap();
                    connection.leave("room");
                }
                if number == round % 4 {
                    connection.join("room").await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(stage.layer.registry().group_len("room"), 1);
        assert!(watched.is_subscribed(Topic::Group("room")), "round {round}: it has a member that hears nothing");
        assert!(clients[round % 4].connection().leave("room"));
        assert!(!watched.is_subscribed(Topic::Group("room")), "round {round}");
        assert_eq!(stage.layer.registry().group_count(), 0);
    }
}

/// However often and whoever asks: `join` returns when the group is live.
#[tokio::test(start_paused = true)]
async fn a_join_beside_another_returns_no_earlier() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let ada = stage.connect("ada").await;
    stage.until(|_| ada.connection().state() == ConnectionState::Connected).await;
    let gate = watched.hold_subscriptions();
    let joins = [(); 2].map(|()| {
        let connection = ada.connection().clone();
        tokio::spawn(async move { connection.join("room").await.unwrap() })
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(joins.iter().all(|join| !join.is_finished()));
    gate.add_permits(2);
    let [first, second] = joins;
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (true, false));
    assert_eq!(stage.layer.registry().group_len("room"), 1);
}

/// Whoever stops waiting for a join is no member, and the backend is told.
#[tokio::test(start_paused = true)]
async fn a_join_that_is_dropped_leaves_no_member() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let ada = stage.connect("ada").await;
    stage.until(|_| ada.connection().state() == ConnectionState::Connected).await;
    let gate = watched.hold_subscriptions();
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, ada.connection().join("room")).await.is_err());
    assert_eq!((ada.connection().is_in("room"), stage.layer.registry().group_count()), (false, 0));
    assert!(!watched.is_subscribed(Topic::Group("room")));
    gate.add_permits(1);
    assert!(ada.connection().join("room").await.unwrap());
}

/// One of two joins of one group by one connection is dropped half-way, as by its handler's time-out: the other does not
/// count on what it had begun.
#[tokio::test(start_paused = true)]
async fn a_join_beside_one_that_is_dropped_makes_the_member() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let ada = stage.connect("ada").await;
    stage.until(|_| ada.connection().state() == ConnectionState::Connected).await;
    let gate = watched.hold_subscriptions();
    let join = || {
        let connection = ada.connection().clone();
        tokio::spawn(async move { connection.join("room").await })
    };
    let first = join();
    stage.until(|_| ada.connection().is_in("room")).await;
    let second = join();
    tokio::time::sleep(Duration::from_millis(1)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gate.add_permits(8);
    assert!(second.await.unwrap().unwrap(), "it is new: the other never was");
    assert!(ada.connection().is_in("room") && watched.is_subscribed(Topic::Group("room")));
}

/// However many wait, none waits longer than a join may take.
#[tokio::test(start_paused = true)]
async fn joins_beside_each_other_fail_in_time_where_the_backend_does_not_answer() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let ada = stage.connect("ada").await;
    stage.until(|_| ada.connection().state() == ConnectionState::Connected).await;
    let _nobody_passes = watched.hold_subscriptions();
    let joins = (0..4).map(|_| {
        let connection = ada.connection().clone();
        async move { connection.join("room").await }
    });
    let joined = tokio::time::timeout(Duration::from_secs(11), futures_util::future::join_all(joins)).await.unwrap();
    assert!(joined.iter().all(|joined| joined.as_ref().is_err_and(|error| error.code() == ErrorCode::BackendError)));
    assert_eq!((ada.connection().is_in("room"), stage.layer.registry().group_count()), (false, 0));
}

/// Whoever leaves while it joins has joined and left, with a hook as without: nobody refused anything.
#[tokio::test(start_paused = true)]
async fn leaving_meanwhile_is_no_refusal() {
    let (watched, rights) = (Watched::default(), Rights::new(&["ada/room"]));
    let layer = watched.layer().await;
    let ada = enter(&layer, &rights, "ada").await;
    let gate = watched.hold_subscriptions();
    let conn = ada.connection().clone();
    let joining = tokio::spawn({
        let conn = conn.clone();
        async move { conn.join("room").await }
    });
    while !conn.is_in("room") {
        tokio::task::yield_now().await;
    }
    assert!(conn.leave("room"));
    gate.add_permits(1);
    assert!(joining.await.unwrap().unwrap());
    assert_eq!((conn.is_in("room"), layer.stats().refused_joins), (false, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_are_right_after_a_storm() {
    let stage = Arc::new(Stage::new(World { groups: vec!["all"], ..World::default() }));
    let mut tasks = JoinSet::new();
    for number in 0..64_usize {
        let stage = Arc::clone(&stage);
        tasks.spawn(async move {
            for round in 0..10_usize {
                let mut client = stage.connect(&format!("user-{}", number % 8)).await;
                client.joined("all").await;
                let connection = client.connection().clone();
                for group in 0..4 {
                    let group = format!("group-{}", (number + round + group) % 16);
                    // It may be gone already: its session ends when the client is lost.
                    let _ = connection.join(&group).await;
                    if group.ends_with('3') {
                        connection.leave(&group);
                    }
                }
                match round % 3 {
                    0 => client.close(1000).await,
                    1 => client.lose(),
                    _ => connection.close("enough"),
                }
                let late = format!("late-{number}");
                let _ = connection.join(&late).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    stage.empty().await;
    assert_eq!(stage.world.ends().len(), 640, "one end for each connection");
    assert_eq!(stage.layer.stats().connections_total, 640);
}
