//! What one burst of input sends goes out together; nobody can tell by the order, which is that of the sends.

use channels_tests::raw::Raw;
use channels_tests::socket;
use serde_json::{Value, json};

use crate::script::{House, Step, follow, hears, join, leave, note, say, text};

#[tokio::test]
async fn a_group_hears_a_handler_before_its_reply() {
    let house = House::new().await;
    let mut ada = house.enter("ada", &[join("g")]).await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    follow(&mut ada, &[say("g", "1"), note("2"), say("g", "3"), say("g", "4"), note("5")]).await;
    hears(&mut ada, &["1", "2", "3", "4", "5", "done"]).await;
    hears(&mut bob, &["1", "3", "4"]).await;
}

#[tokio::test]
async fn who_joins_hears_what_is_sent_afterwards_only() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut ada = house.enter("ada", &[]).await;
    follow(&mut ada, &[say("g", "before"), join("g"), say("g", "after"), leave("g"), say("g", "gone")]).await;
    hears(&mut ada, &["after", "done"]).await;
    hears(&mut bob, &["before", "after", "gone"]).await;
    follow(&mut ada, &[join("g"), say("g", "1"), leave("g"), join("g"), say("g", "2"), leave("g")]).await;
    hears(&mut ada, &["1", "2", "done"]).await;
    hears(&mut bob, &["1", "2"]).await;
}

#[tokio::test]
async fn a_group_that_ends_and_begins_within_a_burst_gets_each_message_once() {
    let house = House::new().await;
    let mut ada = house.enter("ada", &[]).await;
    let mut script = Vec::new();
    for round in 0..20 {
        script.extend([say("g", "to nobody"), join("g"), say("g", round.to_string()), leave("g")]);
    }
    follow(&mut ada, &script).await;
    for round in 0..20 {
        hears(&mut ada, &[&round.to_string()]).await;
    }
    hears(&mut ada, &["done"]).await;
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_before_it() {
    let house = House::new().await;
    let tell = |text: &str| Step::Tell("ada".into(), text.into());
    let mut ada = house.enter("ada", &[join("g")]).await;
    let mut second = house.enter("ada", &[]).await;
    follow(&mut ada, &[tell("1"), say("g", "2"), tell("3"), Step::Close]).await;
    hears(&mut ada, &["1", "2", "3"]).await;
    hears(&mut second, &["1", "3"]).await;
    assert_eq!(ada.closed().await, (4501, "enough".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_another_is_closed_arrives_there() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut ada = house.enter("ada", &[]).await;
    follow(&mut ada, &[say("g", "1"), Step::Tell("bob".into(), "2".into()), Step::CloseUser("bob".into())]).await;
    hears(&mut bob, &["1", "2"]).await;
    assert_eq!(bob.closed().await, (4501, "enough".to_owned()));
    hears(&mut ada, &["done"]).await;
}

#[tokio::test]
async fn whoever_it_is_for_one_senders_messages_keep_their_order() {
    let house = House::new().await;
    let both = [join("g"), join("h")];
    let mut ada = house.enter("ada", &both).await;
    let mut bob = house.enter("bob", &both).await;
    let script = [
        say("g", "0"),
        say("h", "1"),
        say("g", "2"),
        Step::Broadcast("3".into()),
        Step::Post("of its own".into()),
        Step::SayToOthers("g".into(), "4".into()),
        say("g", "5"),
        Step::Tell("bob".into(), "6".into()),
        Step::SayToOthers("h".into(), "7".into()),
        say("h", "8"),
    ];
    follow(&mut ada, &script).await;
    hears(&mut bob, &["0", "1", "2", "3", "4", "5", "6", "7", "8"]).await;
    hears(&mut ada, &["0", "1", "2", "3", "of its own", "5", "8", "done"]).await;
}

/// What a handler has sent is sent, though it is held back: who sends, or leaves, because of it comes after it.
#[tokio::test]
async fn what_other_threads_do_after_a_send_comes_after_it() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut eve = house.enter("eve", &[join("g")]).await;
    let mut ada = house.enter("ada", &[join("g")]).await;
    let elsewhere = |text: &str| Step::SayElsewhere("g".into(), text.into());
    let bob_leaves = Step::LeaveElsewhere("bob".into(), "g".into());
    let script =
        [say("g", "1"), elsewhere("2"), say("g", "3"), say("g", "4"), bob_leaves, elsewhere("5"), say("g", "6")];
    follow(&mut ada, &script).await;
    hears(&mut bob, &["1", "2", "3", "4"]).await;
    hears(&mut eve, &["1", "2", "3", "4", "5", "6"]).await;
    hears(&mut ada, &["1", "2", "3", "4", "5", "6", "done"]).await;
    follow(&mut bob, &[]).await;
    hears(&mut bob, &["done"]).await;
}

/// A burst of scripts in one write, as it comes from a client that does not wait for answers.
async fn burst(client: &mut Raw, scripts: impl IntoIterator<Item = Vec<Step>>) {
    let mut bytes = Vec::new();
    for script in scripts {
        let json = json!({"type": "script", "data": script}).to_string();
        let length = u16::try_from(json.len()).unwrap();
        assert!(length > 125);
        bytes.extend([0x81, 0x80 | 126]);
        bytes.extend(length.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(json.as_bytes());
    }
    client.write(&bytes).await;
}

async fn next(client: &mut Raw) -> String {
    let (opcode, payload) = client.next().await.unwrap();
    assert_eq!(opcode, 1);
    text(&serde_json::from_slice::<Value>(&payload).unwrap()).to_owned()
}

/// More messages than a run holds, then more bytes, then both in several groups.
#[tokio::test]
async fn a_burst_larger_than_a_run_arrives_whole_and_in_order() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g"), join("h")]).await;
    for (messages, length, groups) in [(200, 120, &["g"][..]), (60, 3_000, &["g"]), (150, 1_000, &["g", "h"])] {
        let mut ada = Raw::open(house.server.address, "/ws/ada").await;
        let padding = "x".repeat(length);
        let said = |number: usize| format!("{number} {padding}");
        burst(&mut ada, (0..messages).map(|number| vec![say(groups[number % groups.len()], said(number))])).await;
        for number in 0..messages {
            hears(&mut bob, &[&said(number)]).await;
            assert_eq!(next(&mut ada).await, "done");
        }
        // In one handler, too.
        let script: Vec<_> = (0..messages).map(|number| say(groups[number % groups.len()], said(number))).collect();
        let mut eve = house.enter("eve", &[]).await;
        follow(&mut eve, &script).await;
        for number in 0..messages {
            hears(&mut bob, &[&said(number)]).await;
        }
        hears(&mut eve, &["done"]).await;
    }
}

#[tokio::test]
async fn the_replies_to_a_burst_come_in_its_order() {
    let house = House::new().await;
    let mut ada = Raw::open(house.server.address, "/ws/ada").await;
    let padding = "x".repeat(120);
    let scripts =
        (0..100).map(|number| vec![join("g"), say("g", format!("{number}a {padding}")), note(&number.to_string())]);
    burst(&mut ada, scripts).await;
    for number in 0..100 {
        assert_eq!(next(&mut ada).await, format!("{number}a {padding}"));
        assert_eq!(next(&mut ada).await, number.to_string());
        assert_eq!(next(&mut ada).await, "done");
    }
}

#[tokio::test]
async fn who_waits_in_a_handler_holds_nothing_back() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut ada = house.enter("ada", &[]).await;
    follow(&mut ada, &[say("g", "1"), note("2"), Step::Wait, say("g", "3")]).await;
    socket::soon("the handler waits", house.gate.reached.notified()).await;
    hears(&mut bob, &["1"]).await;
    hears(&mut ada, &["2"]).await;
    house.gate.open.add_permits(1);
    hears(&mut bob, &["3"]).await;
    hears(&mut ada, &["done"]).await;
}

/// What waits is replaced by what is sent after it, and the rest keeps its order.
#[tokio::test]
async fn of_what_is_about_the_same_only_the_last_of_a_burst_arrives() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g"), join("h")]).await;
    let mut ada = house.enter("ada", &[]).await;
    let moved = |group: &str, to| Step::Move(group.into(), to);
    let script = [
        say("g", "1"),
        moved("g", 1),
        say("g", "2"),
        moved("h", 2),
        moved("g", 3),
        say("g", "3"),
        say("h", "4"),
        moved("g", 4),
        say("g", "5"),
    ];
    follow(&mut ada, &script).await;
    hears(&mut ada, &["done"]).await;
    hears(&mut bob, &["1", "2"]).await;
    assert_eq!(bob.next_json().await, json!({"type": "moved", "data": 2}));
    hears(&mut bob, &["3", "4"]).await;
    assert_eq!(bob.next_json().await, json!({"type": "moved", "data": 4}));
    hears(&mut bob, &["5"]).await;
    assert_eq!((house.layer.stats().conflated, house.layer.stats().dropped), (2, 0));
}

/// Whoever waits for what it sent itself does not wait for the end of its own burst.
#[tokio::test]
async fn a_handler_may_wait_for_what_became_of_its_own_send() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut ada = house.enter("ada", &[join("g")]).await;
    let settle = |text: &str| Step::Settle("g".into(), text.into());
    follow(&mut ada, &[say("g", "1"), settle("2"), say("g", "3"), settle("4"), settle("5")]).await;
    hears(&mut bob, &["1", "2", "3", "4", "5"]).await;
    hears(&mut ada, &["1", "2", "2 of 2", "3", "4", "2 of 2", "5", "2 of 2", "done"]).await;
}

#[tokio::test]
async fn what_a_handler_sent_before_it_panicked_arrives() {
    let house = House::new().await;
    let mut bob = house.enter("bob", &[join("g")]).await;
    let mut ada = house.enter("ada", &[join("g")]).await;
    follow(&mut ada, &[say("g", "1"), note("2"), say("g", "3"), Step::Panic]).await;
    hears(&mut bob, &["1", "3"]).await;
    hears(&mut ada, &["1", "2", "3"]).await;
    assert_eq!(ada.next_json().await["data"]["error_code"], "SYSTEM_ERROR");
    follow(&mut ada, &[say("g", "on")]).await;
    hears(&mut ada, &["on", "done"]).await;
}
