use channels_tests::redis::{Failure, NODES, RedisCluster, RedisServer, SLOTS};

#[test]
fn three_nodes_share_the_slots() {
    let cluster = RedisCluster::start();
    let [first, second, third] = cluster.nodes() else { panic!("three nodes") };
    let addresses = format!("{},{},{}", first.address(), second.address(), third.address());
    assert_eq!(cluster.url(), format!("redis+cluster://{addresses}"));
    let owners = [0, 5460, 5461, 10_921, 10_922, SLOTS - 1].map(|slot| cluster.owner(slot));
    assert_eq!(owners, [0, 0, 1, 1, 2, 2]);
    assert_eq!(cluster.slot("foo"), 12_182);
    assert_eq!(cluster.slot("{foo}bar"), 12_182);
    third.command(&["SET", "foo", "bar"]);
    let Err(Failure::Refused(text)) = first.try_command(&["GET", "foo"]) else { panic!("it has no such slot") };
    assert_eq!(text, format!("MOVED 12182 {}", third.address()));
}

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_without_its_subscribers() {
    let cluster = RedisCluster::with(RedisServer::options().user("chat", "secret"), false);
    assert!(cluster.url().starts_with("redis+cluster://chat:secret@127.0.0.1:"));
    let [first, _, third] = cluster.nodes() else { panic!("three nodes") };
    let slot = cluster.slot("foo");
    for number in 0..250 {
        third.command(&["SET", &format!("{{foo}}{number}"), "bar"]);
    }
    let mut subscriber = third.connect().unwrap();
    assert_eq!(subscriber.ask(&["SSUBSCRIBE", "{foo}"]).unwrap().list()[2].integer(), 1);
    cluster.begin_migration(slot, 2, 0);
    let Err(Failure::Refused(text)) = third.try_command(&["GET", "foo"]) else { panic!("there is no such key") };
    assert_eq!(text, format!("ASK {slot} {}", first.address()));
    cluster.move_keys(slot, 2, 0);
    cluster.end_migration(slot, 2, 0);
    assert_eq!(subscriber.answer().unwrap().list()[0].text(), "sunsubscribe");
    assert_eq!(first.command(&["GET", "{foo}249"]).text(), "bar");
    assert_eq!(cluster.owner_after(slot, 2).await, 0);
    cluster.until_ok().await;
    cluster.migrate_slot(slot, 0, 1);
    assert_eq!(cluster.owner_after(slot, 0).await, 1);
}

#[tokio::test]
async fn a_node_that_was_killed_is_itself_again() {
    let cluster = RedisCluster::start();
    cluster.nodes()[1].kill_9();
    assert_eq!(cluster.owner(SLOTS / 2), 1);
    cluster.nodes()[1].restart();
    cluster.until_ok().await;
    assert_eq!(cluster.owner(SLOTS / 2), 1);
}

#[tokio::test]
async fn a_replica_takes_over() {
    let cluster = RedisCluster::with_replicas();
    assert_eq!(cluster.nodes().len(), 2 * NODES);
    cluster.nodes()[0].kill_9();
    assert_eq!(cluster.owner_after(0, 0).await, NODES);
    cluster.nodes()[0].restart();
    cluster.until_ok().await;
    assert_eq!(cluster.promote(0).await, NODES);
    assert_eq!(cluster.owner(0), 0);
}
