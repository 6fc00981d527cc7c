//! Bursts that are larger than an outbox.

use channels::{Config, OutboxPolicy};
use channels_tests::socket::{Socket, soon};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::script::{House, follow, hears, join, say};

/// More than sockets between two processes ever hold.
const TOO_MUCH: usize = 600;

async fn house(policy: OutboxPolicy) -> House {
    let config = Config::builder().outbox_messages(10).outbox_bytes(1 << 20).build().unwrap();
    House::with(config, policy).await
}

/// Bursts of 30 large messages to a member that does not read; how many messages those were.
async fn flood(house: &House) -> usize {
    let mut ada = house.enter("ada", &[]).await;
    let padding = "x".repeat(20_000);
    let mut sent = 0;
    while sent < TOO_MUCH {
        let script: Vec<_> = (sent..sent + 30).map(|number| say("g", format!("{number} {padding}"))).collect();
        follow(&mut ada, &script).await;
        hears(&mut ada, &["done"]).await;
        sent += script.len();
    }
    sent
}

async fn slow_member(house: &House) -> Socket {
    let mut request = house.server.url("slow").into_client_request().unwrap();
    // Who speaks the protocol is told what was dropped.
    request.headers_mut().insert("sec-websocket-protocol", "channels.v1.json".parse().unwrap());
    let mut slow = Socket::open(request).await.unwrap();
    follow(&mut slow, &[join("g")]).await;
    hears(&mut slow, &["done"]).await;
    slow
}

#[tokio::test]
async fn who_is_quick_gets_bursts_of_any_size() {
    let house = house(OutboxPolicy::Close).await;
    let mut quick = house.enter("quick", &[join("g")]).await;
    let reading = tokio::spawn(async move {
        for number in 0..TOO_MUCH {
            let message = quick.next_json().await;
            assert!(message["data"].as_str().unwrap().starts_with(&format!("{number} ")), "{number}");
        }
    });
    // One at a time, so that its socket has room: that its writer is late must not matter.
    let mut ada = house.enter("ada", &[]).await;
    for burst in 0..TOO_MUCH / 30 {
        let script: Vec<_> = (0..30).map(|number| say("g", format!("{} ", burst * 30 + number))).collect();
        follow(&mut ada, &script).await;
        hears(&mut ada, &["done"]).await;
    }
    soon("reading", reading).await.unwrap();
    assert_eq!(house.layer.stats().dropped, 0);
}

#[tokio::test]
async fn what_is_dropped_and_what_arrives_is_all_that_was_sent() {
    let house = house(OutboxPolicy::DropNewest).await;
    let mut slow = slow_member(&house).await;
    let sent = flood(&house).await;
    let (mut received, mut told, mut last) = (0, 0, None);
    while received + told < sent as u64 {
        let message = slow.next_json().await;
        if message["type"] == "$dropped" {
            assert_eq!(message["data"]["group"], "g");
            told += message["data"]["count"].as_u64().unwrap();
        } else {
            let text = message["data"].as_str().unwrap();
            let number: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert!(last < Some(number), "{last:?}, then {number}");
            last = Some(number);
            received += 1;
        }
    }
    assert_eq!(received + told, sent as u64);
    assert!(told > 0 && received > 10, "{told} dropped, {received} received");
    assert_eq!(house.layer.stats().dropped, told);
    follow(&mut slow, &[say("g", "on")]).await;
    hears(&mut slow, &["on", "done"]).await;
}

#[tokio::test]
async fn who_is_closed_as_slow_has_got_all_up_to_a_point() {
    let house = house(OutboxPolicy::Close).await;
    let mut slow = slow_member(&house).await;
    flood(&house).await;
    let mut received = 0;
    let (code, _) = loop {
        match slow.next().await {
            Some(Ok(message)) if message.is_text() => {
                let json: serde_json::Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                assert!(json["data"].as_str().unwrap().starts_with(&format!("{received} ")), "{received}");
                received += 1;
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                break (u16::from(frame.code), frame.reason);
            }
            other => panic!("{received} received, then {other:?}"),
        }
    };
    assert_eq!(code, 4413);
    assert!(received < TOO_MUCH);
    assert_eq!(house.layer.stats().too_slow, 1);
}
