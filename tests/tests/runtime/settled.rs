//! Awaiting what became of a send.

use channels::testing::Client;
use channels::{Config, Settled};
use channels_tests::probe::{Hint, Moved, ServerMessage, Stage, Text, World};

const MESSAGES: usize = 4;

fn stage() -> Stage {
    let config = Config::builder().outbox_messages(MESSAGES).build().unwrap();
    Stage::with(World { groups: vec!["g"], ..World::default() }, config)
}

async fn member(stage: &Stage, user: &str) -> Client {
    let mut client = stage.connect(user).await;
    client.request(0, "quiet", &()).await;
    assert_eq!(client.next_message().await.name, "$ok");
    client
}

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.to_owned() })
}

/// Queued, conflated and dropped; all of the one server have answered.
fn numbers(settled: Settled) -> (usize, usize, usize) {
    assert_eq!((settled.answered, settled.servers, settled.is_complete()), (1, Some(1), true));
    assert_eq!(settled.members(), settled.queued + settled.conflated + settled.dropped);
    (settled.queued, settled.conflated, settled.dropped)
}

#[tokio::test(start_paused = true)]
async fn each_member_is_counted_once_by_what_became_of_the_message_there() {
    let stage = stage();
    let (mut ada, bob, slow) = (member(&stage, "ada").await, member(&stage, "bob").await, member(&stage, "slow").await);
    slow.stop_reading();
    let to_group =
        async |message| numbers(stage.layer.tracked().send_to_group("g", message).await.unwrap().settled().await);
    for (message, expected) in [
        (ServerMessage::Moved(Moved::new("a", 1)), (3, 0, 0)),
        (ServerMessage::Moved(Moved::new("a", 2)), (2, 1, 0)),
        (ServerMessage::Moved(Moved::new("b", 1)), (3, 0, 0)),
        (said("1"), (3, 0, 0)),
        (said("2"), (3, 0, 0)),
        (ServerMessage::Hinted(Hint { hint: "left out".into() }), (2, 0, 1)),
        (ServerMessage::Moved(Moved::new("a", 3)), (2, 1, 0)),
        (said("3"), (2, 0, 1)),
    ] {
        assert_eq!(to_group(message).await, expected);
        // Who reads has read before the next.
        ada.next_message().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    stage.until(|world| world.ends().len() == 1).await;
    assert_eq!(stage.world.ends()[0].code, 4413, "the last of these closed who did not read");
    assert_eq!(to_group(said("4")).await, (2, 0, 0));
    let stats = stage.layer.stats();
    assert_eq!((stats.conflated, stats.dropped), (2, 2 + MESSAGES as u64));
    drop((bob, slow));
}

#[tokio::test(start_paused = true)]
async fn whoever_it_is_for_the_outcome_is_told() {
    let stage = stage();
    let (ada, second, bob) = (member(&stage, "ada").await, member(&stage, "ada").await, member(&stage, "bob").await);
    let tracked = stage.layer.tracked();
    let id = bob.connection().id();
    let mut all = vec![
        (tracked.send_to_group("g", said("1")).await, 3),
        (tracked.send_to_group_except("g", id, said("2")).await, 2),
        (tracked.send_to_user("ada", said("3")).await, 2),
        (tracked.send_to_connection(id, said("4")).await, 1),
        (tracked.broadcast(said("5")).await, 3),
        (tracked.send_to_group("nobody's", said("6")).await, 0),
        (tracked.send_to_user("nobody", said("7")).await, 0),
    ];
    drop((ada, second, bob));
    stage.empty().await;
    all.push((tracked.send_to_connection(id, said("8")).await, 0));
    for (sent, members) in all {
        let sent = sent.unwrap();
        assert_eq!(sent.receipt().local, members);
        assert_eq!(numbers(sent.settled().await), (members, 0, 0));
    }
    assert!(tracked.send_to_user("", said("9")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_is_counted_once_it_is_written_or_its_client_has_gone() {
    let stage = stage();
    let (mut ada, slow) = (member(&stage, "ada").await, member(&stage, "slow").await);
    slow.stop_reading();
    let before = stage.layer.stats();
    let mut queued = 0;
    for _ in 0..MESSAGES {
        let sent = stage.layer.tracked().send_to_group("g", said("1")).await.unwrap();
        queued += numbers(sent.settled().await).0;
        ada.recv::<Text>().await;
    }
    drop(slow);
    stage.until(|_| stage.layer.registry().connection_count() == 1).await;
    let after = stage.layer.stats();
    let (written, dropped) = (after.messages_out - before.messages_out, after.dropped - before.dropped);
    assert_eq!((written, dropped), (MESSAGES as u64, MESSAGES as u64));
    assert_eq!(queued as u64, written + dropped);
}
