//! Sending from anywhere: to a group, a group but one, a user, a connection, everybody.

use channels::{CloseCode, CloseReason, ConnectionId};
use channels_tests::probe::{ServerMessage, Stage, Text, World};

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.into() })
}

#[tokio::test(start_paused = true)]
async fn each_target_gets_what_is_for_it_and_nobody_else() {
    let stage = Stage::new(World::default());
    let mut clients =
        [stage.connect("ada").await, stage.connect("ada").await, stage.connect("bob").await, stage.connect("-").await];
    stage.until(|_| stage.layer.registry().connection_count() == 4).await;
    let ids = clients.each_ref().map(|client| client.connection().id());
    let layer = &stage.layer;
    for id in [ids[0], ids[2]] {
        assert!(layer.join_group(id, "rust").await.unwrap());
        assert!(!layer.join_group(id, "rust").await.unwrap(), "once is enough");
    }
    let sent = [
        (layer.send_to_group("rust", said("group")).await, 2, "1010", "group"),
        (layer.send_to_group_except("rust", ids[0], said("but one")).await, 1, "0010", "but one"),
        (layer.send_to_user("ada", said("user")).await, 2, "1100", "user"),
        (layer.send_to_connection(ids[3], said("one")).await, 1, "0001", "one"),
        (layer.broadcast(said("all")).await, 4, "1111", "all"),
        (layer.send_to_group("nobody", said("x")).await, 0, "0000", "x"),
        (layer.send_to_user("nobody", said("x")).await, 0, "0000", "x"),
        (layer.send_to_connection(ConnectionId::new(1, 1), said("x")).await, 0, "0000", "x"),
    ];
    for (receipt, local, who, text) in sent {
        assert_eq!(receipt.unwrap().local, local, "{text}");
        for (client, gets) in clients.iter_mut().zip(who.chars()) {
            if gets == '1' {
                assert_eq!(client.recv::<Text>().await.text, text);
            }
        }
    }
    for client in &mut clients {
        client.assert_silent().await;
    }
    assert!(layer.leave_group(ids[0], "rust"));
    assert!(!layer.leave_group(ids[0], "rust"));
    assert_eq!(layer.send_to_group("rust", said("left")).await.unwrap().local, 1);
    assert!(layer.send_to_user("", said("x")).await.is_err());
    assert!(layer.send_to_group("", said("x")).await.is_err());
    assert!(layer.join_group(ConnectionId::new(1, 1), "rust").await.is_err());
    assert!(!layer.disconnect(ConnectionId::new(1, 1), CloseReason::server(CloseCode::NORMAL, "")));
}

#[tokio::test(start_paused = true)]
async fn connections_are_walked_in_batches() {
    let stage = Stage::new(World::default());
    let mut clients = Vec::new();
    for number in 0..25 {
        clients.push(stage.connect(&format!("user-{number}")).await);
    }
    let registry = stage.layer.registry();
    stage.until(|_| registry.connection_count() == 25).await;
    let sizes: Vec<_> = registry.batches(10).map(|batch| batch.len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(registry.batches(0).count(), 25, "at least one at a time");
    let (running, most, done) = (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
    registry
        .for_each(4, async |_| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            running.set(running.get() - 1);
            done.set(done.get() + 1);
        })
        .await;
    assert_eq!((most.get(), done.get()), (4, 25));
}
