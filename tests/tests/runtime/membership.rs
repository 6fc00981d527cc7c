//! Joining and leaving under concurrency: the registry, the groups' counts and the backend agree.

use std::sync::Arc;
use std::time::Duration;

use channels::backend::Topic;
use channels::{Connection, ConnectionState, Error, ErrorCode};
use channels_tests::guarded::{Rights, enter, is_refused};
use channels_tests::probe::{Stage, World};
use channels_tests::watched::Watched;
use tokio::task::{JoinHandle, JoinSet};

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

/// A join that waits until the group is live, by a connection that is a member already.
async fn waiting(conn: &Connection) -> JoinHandle<Result<bool, Error>> {
    let joining = tokio::spawn({
        let conn = conn.clone();
        async move { conn.join("room").await }
    });
    while !conn.is_in("room") {
        tokio::task::yield_now().await;
    }
    joining
}

/// Whoever leaves while it joins has joined and left, with a hook as without: nobody refused anything. That somebody else loses
/// a membership meanwhile is nothing to it, nor whether the backend still waits for a group without members.
#[tokio::test(start_paused = true)]
async fn leaving_meanwhile_is_no_refusal() {
    for tells in [false, true] {
        let (watched, rights) = (Watched::default(), Rights::new(&["ada/room", "bob/hall"]));
        let layer = watched.layer().await;
        let (ada, bob) = (enter(&layer, &rights, "ada").await, enter(&layer, &rights, "bob").await);
        assert!(bob.connection().join("hall").await.unwrap());
        if tells {
            watched.tells_who_waits();
        }
        let gate = watched.hold_subscriptions();
        let conn = ada.connection();
        let joining = waiting(conn).await;
        rights.take("bob/hall");
        assert_eq!(bob.connection().recheck().await, ["hall"]);
        assert!(conn.leave("room"));
        if !tells {
            gate.add_permits(1);
        }
        assert!(joining.await.unwrap().unwrap());
        assert_eq!((conn.is_in("room"), layer.stats().refused_joins), (false, 0), "{tells}");
        assert_eq!(layer.registry().group_count(), 0);
    }
}

/// Whoever a recheck takes out while it joins is told that it may not, and counted once.
#[tokio::test(start_paused = true)]
async fn what_a_recheck_ends_meanwhile_is_a_refusal() {
    for tells in [false, true] {
        let (watched, rights) = (Watched::default(), Rights::new(&["ada/room"]));
        let layer = watched.layer().await;
        let ada = enter(&layer, &rights, "ada").await;
        if tells {
            watched.tells_who_waits();
        }
        let gate = watched.hold_subscriptions();
        let joining = waiting(ada.connection()).await;
        rights.take("ada/room");
        assert_eq!(ada.connection().recheck().await, ["room"]);
        // What it may again is another join's.
        rights.give("ada/room");
        if !tells {
            gate.add_permits(1);
        }
        assert!(is_refused(&joining.await.unwrap()), "{tells}");
        gate.add_permits(1);
        assert_eq!((layer.stats().refused_joins, layer.stats().revoked), (1, 1), "{tells}");
        assert!(ada.connection().join("room").await.unwrap());
    }
}

/// What is sent to a group is not heard here before the first join has ended, but the members are known.
#[tokio::test(start_paused = true)]
async fn a_recheck_of_a_group_finds_whoever_waits_until_it_is_live() {
    let (watched, rights) = (Watched::default(), Rights::new(&["ada/room"]));
    let layer = watched.layer().await;
    let ada = enter(&layer, &rights, "ada").await;
    let gate = watched.hold_subscriptions();
    watched.goes_deaf();
    let joining = waiting(ada.connection()).await;
    rights.take("ada/room");
    layer.recheck_group("room").await.unwrap();
    gate.add_permits(1);
    assert!(is_refused(&joining.await.unwrap()));
    assert!(!ada.connection().is_in("room"));
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
