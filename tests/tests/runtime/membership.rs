//! Joining and leaving under concurrency: the registry, the groups' counts and the backend agree.

use std::sync::Arc;

use channels::ConnectionState;
use channels::backend::Topic;
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
