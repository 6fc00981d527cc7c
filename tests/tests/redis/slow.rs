//! Slow clients of another server: what a message says of itself goes with it, and what became of it comes back.

use channels::backend::{Tap, Topic};
use channels::testing::Client;
use channels_tests::probe::{Group, Hint, Moved, ServerMessage, Stage, Text};
use channels_tests::redis::{RedisServer, eventually};

use crate::servers::{config, member, two_servers};

const MESSAGES: usize = 4;

fn moved(who: &str, to: usize) -> ServerMessage {
    ServerMessage::Moved(Moved::new(who, to))
}

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.to_owned() })
}

/// What it hears next, of one who moved.
async fn position(client: &mut Client) -> usize {
    client.recv::<Moved>().await.to
}

async fn until_conflated(stage: &Stage, messages: u64) {
    while stage.layer.stats().conflated < messages {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_holds_on_the_servers_of_the_members() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).outbox_messages(MESSAGES).build().unwrap()).await;
    let mut slow = there.connecting("slow").protocol("channels.v1.json").await.unwrap();
    slow.request(0, "join", &Group { group: "g".to_owned() }).await;
    assert_eq!(slow.next_message().await.name, "$ok");
    slow.stop_reading();
    for number in 0..100 {
        here.layer.send_to_group("g", moved(["a", "b"][number % 2], number)).await.unwrap();
    }
    until_conflated(&there, 98).await;
    let hint = ServerMessage::Hinted(Hint { hint: "of no importance".into() });
    for _ in 0..5 {
        here.layer.send_to_group("g", hint.clone()).await.unwrap();
    }
    // What is sent after all of that has come after all of that.
    let sent = here.layer.tracked().send_to_group("g", moved("a", 100)).await.unwrap();
    let settled = sent.settled().await;
    assert_eq!((settled.queued, settled.conflated, settled.dropped), (0, 1, 0));
    slow.go_on_reading();
    assert_eq!(position(&mut slow).await, 99);
    assert_eq!(slow.recv::<Hint>().await.hint, "of no importance");
    assert_eq!(slow.recv::<Hint>().await.hint, "of no importance");
    assert_eq!(position(&mut slow).await, 100);
    assert_eq!(slow.next_message().await.data["count"], 3);
    assert_eq!((there.layer.stats().conflated, there.layer.stats().dropped), (99, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_all_servers_are_counted() {
    let redis = RedisServer::start();
    let config = config(&redis.url()).outbox_messages(MESSAGES).build().unwrap();
    let (here, there) = two_servers(&config).await;
    let ada = member(&here, "ada", "g").await;
    let (bob, slow) = (member(&there, "bob", "g").await, member(&there, "slow", "g").await);
    slow.stop_reading();
    let tracked = here.layer.tracked();
    for (message, queued, conflated, dropped) in [
        (moved("a", 1), 3, 0, 0),
        (moved("b", 2), 3, 0, 0),
        (said("1"), 3, 0, 0),
        (said("2"), 3, 0, 0),
        (ServerMessage::Hinted(Hint { hint: "left out".into() }), 2, 0, 1),
    ] {
        let settled = tracked.send_to_group("g", message).await.unwrap().settled().await;
        assert_eq!((settled.queued, settled.conflated, settled.dropped), (queued, conflated, dropped));
        assert_eq!((settled.answered, settled.servers), (2, Some(2)));
        assert!(settled.is_complete());
    }
    let to_one = tracked.send_to_connection(bob.connection().id(), said("only bob")).await.unwrap().settled().await;
    assert_eq!((to_one.queued, to_one.answered, to_one.servers), (1, 1, Some(1)));
    let to_all = there.layer.tracked().broadcast(moved("everybody", 1)).await.unwrap().settled().await;
    assert_eq!((to_all.queued, to_all.dropped, to_all.answered), (2, 1, 2), "{to_all:?}");
    let to_nobody = tracked.send_to_group("nobody's", said("x")).await.unwrap().settled().await;
    assert_eq!((to_nobody.members(), to_nobody.answered, to_nobody.servers), (0, 0, Some(0)));
    assert!(to_nobody.is_complete());
    // Who looks on has the message and never answers: it is said that somebody is missing.
    let tap = Tap::connect(&config, &[Topic::Group("g")]).await.unwrap();
    let began = tokio::time::Instant::now();
    let watched = tracked.send_to_group("g", said("watched")).await.unwrap().settled().await;
    assert_eq!((watched.answered, watched.servers, watched.is_complete()), (2, Some(3), false));
    assert!(began.elapsed() >= channels::SETTLED_WITHIN);
    eventually("the slow one was closed", || (there.layer.stats().too_slow == 1).then_some(())).await;
    drop((ada, bob, slow, tap));
}
