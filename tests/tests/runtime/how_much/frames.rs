//! Frames and bytes: whatever is in them counts, before it is looked at.

use std::time::Duration;

use channels::testing::Client;
use channels::{CloseCode, LimitName};
use channels_tests::frame::{self, Frame};
use channels_tests::probe::Text;
use channels_tests::raw::Raw;
use channels_tests::socket;
use channels_tests::waiting::until;
use serde_json::json;

use super::*;

const CONNECTION: LimitName = LimitName::FramesPerConnection;

/// Sends so many frames that are answered if they are handled, and says how many were.
async fn passed(client: &mut Client, frames: usize) -> usize {
    for _ in 0..frames {
        client.send("echo", &Text { text: "x".into() }).await;
    }
    let mut passed = 0;
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(1), client.next_message()).await {
        passed += usize::from(message.name == "said");
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_not_handled_and_answered_once() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "5/10s")]);
    let mut ada = stage.connect("ada").await;
    for number in 0..5 {
        ada.send("echo", &Text { text: number.to_string() }).await;
        assert_eq!(ada.recv::<Text>().await.text, number.to_string());
    }
    for _ in 0..7 {
        ada.send("echo", &Text { text: "too much".into() }).await;
    }
    let told = ada.next_message().await;
    assert_eq!((&*told.name, &told.data["error_code"]), ("error", &"RATE_LIMIT_EXCEEDED".into()));
    assert_eq!((&told.data["retryable"], &told.data["retry_after_ms"]), (&true.into(), &2000.into()));
    assert_eq!(told.data["details"], json!({"limit": ["frames_per_connection"], "refused": ["1"]}));
    ada.assert_silent().await;
    assert_eq!(counted(&stage, CONNECTION), (7, 0));
    assert!(!stage.world.texts().contains(&"too much".to_owned()));
    tokio::time::advance(Duration::from_secs(2)).await;
    for text in ["now", "not yet"] {
        ada.send("echo", &Text { text: text.into() }).await;
    }
    assert_eq!(ada.recv::<Text>().await.text, "now");
    assert_eq!(ada.next_message().await.data["details"]["refused"], json!(["7"]), "those before it are told too");
}

#[tokio::test(start_paused = true)]
async fn malformed_unknown_and_binary_frames_count() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "5/1h")]);
    let mut ada = stage.connect("ada").await;
    ada.send_text("no json").await;
    ada.send_json(&json!({"type": "unheard_of"})).await;
    ada.send_json(&json!([])).await;
    ada.send_binary(&b"x"[..]).await;
    ada.send_text("").await;
    let codes =
        ["INVALID_JSON", "INVALID_MESSAGE_PARAMS", "INVALID_MESSAGE_FORMAT", "INVALID_MESSAGE_PARAMS", "INVALID_JSON"];
    for code in codes {
        assert_eq!(ada.next_message().await.data["error_code"], code);
    }
    assert_eq!(passed(&mut ada, 1).await, 0);
    assert_eq!(counted(&stage, CONNECTION), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_is_closed_with_1013() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "5/1s")]);
    let (mut ada, mut bob) = (stage.connect("ada").await, stage.connect("bob").await);
    for _ in 0..56 {
        ada.send("quiet", &json!({})).await;
    }
    let first = ada.next_message().await;
    assert_eq!((&first.data["retry_after_ms"], &first.data["details"]["refused"]), (&200.into(), &json!(["1"])));
    let last = ada.next_message().await;
    assert_eq!((&*last.name, &last.data["error_code"]), ("error", &"RATE_LIMIT_EXCEEDED".into()));
    assert_eq!(last.data["details"], json!({"limit": ["frames_per_connection"], "refused": ["50"]}), "all the others");
    let when = (&last.data["retryable"], &last.data["retry_after_ms"]);
    assert_eq!(when, (&true.into(), &1000.into()), "until all of the allowance is there again");
    assert_eq!(ada.closed().await.code(), CloseCode::TRY_AGAIN_LATER);
    assert_eq!(stage.layer.stats().flooded, 1);
    // The same number with pauses in between.
    for _ in 0..12 {
        assert_eq!(passed(&mut bob, 10).await, 5);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(passed(&mut bob, 1).await, 1);
    assert_eq!(stage.layer.stats().flooded, 1);
}

/// How many refused frames the next error tells of, and when to come back.
async fn told(client: &mut Client) -> (u64, u64) {
    let told = client.next_message().await;
    assert_eq!(told.data["error_code"], "RATE_LIMIT_EXCEEDED");
    let refused = told.data["details"]["refused"][0].as_str().unwrap().parse().unwrap();
    (refused, told.data["retry_after_ms"].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn all_that_was_refused_is_told_before_the_end_however_long_it_took() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "10/10s"), ("WS_HEARTBEAT_INTERVAL", "40s")]);
    let mut ada = stage.connect("ada").await;
    while stage.layer.stats().flooded == 0 {
        ada.send("quiet", &json!({})).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let [first, second, third, last] =
        [told(&mut ada).await, told(&mut ada).await, told(&mut ada).await, told(&mut ada).await];
    assert!(first.1.max(second.1).max(third.1) < 1000, "{first:?}, {second:?}, {third:?}");
    assert_eq!(last.1, 10_000, "not before all of the allowance is there again");
    assert_eq!(ada.closed().await.code(), CloseCode::TRY_AGAIN_LATER);
    assert_eq!(counted(&stage, CONNECTION), (first.0 + second.0 + third.0 + last.0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_last_is_told_whatever_waits_to_be_written() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "5/1s"), ("WS_OUTBOX_MESSAGES", "2")]);
    let mut ada = stage.connect("ada").await;
    ada.stop_reading();
    // Its answer and the first error are as much as may wait.
    ada.send("echo", &Text { text: "x".into() }).await;
    for _ in 0..59 {
        ada.send("quiet", &json!({})).await;
    }
    until(|| stage.layer.stats().flooded == 1).await;
    ada.go_on_reading();
    assert_eq!(ada.recv::<Text>().await.text, "x");
    assert_eq!([told(&mut ada).await, told(&mut ada).await], [(1, 200), (50, 1000)]);
    assert_eq!(ada.closed().await.code(), CloseCode::TRY_AGAIN_LATER);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_handler_waits_counts_too() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "3/1h")]);
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &json!({"millis": 1000})).await;
    assert_eq!(passed(&mut ada, 4).await, 0);
    for (name, times) in [("said", 3), ("error", 1)] {
        for _ in 0..times {
            assert_eq!(ada.next_message().await.name, name);
        }
    }
    assert_eq!(counted(&stage, CONNECTION), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn users_and_addresses_are_counted_over_their_connections() {
    for (limit, var) in
        [(LimitName::FramesPerUser, "WS_FRAMES_PER_USER"), (LimitName::FramesPerAddress, "WS_FRAMES_PER_ADDRESS")]
    {
        let refusing = stage(&[(var, "5/1h")]);
        let observing = observing(limit, var, "5/1h");
        for (stage, second, told) in [(&refusing, 2, (1, 0)), (&observing, 3, (0, 1))] {
            let connect = |user, address: [u8; 4]| stage.connecting(user).address(address);
            let mut first = connect("ada", [203, 0, 113, 7]).await.unwrap();
            let mut same = connect("ada", [203, 0, 113, 7]).await.unwrap();
            let mut other = connect("bob", [203, 0, 113, 8]).await.unwrap();
            assert_eq!(passed(&mut first, 3).await, 3);
            assert_eq!(passed(&mut same, 3).await, second, "{limit}");
            assert_eq!(passed(&mut other, 3).await, 3, "{limit}");
            assert_eq!(counted(stage, limit), told, "{limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_are_counted_by_connection_user_and_address() {
    for (limit, var) in [
        (LimitName::BytesPerConnection, "WS_BYTES_PER_CONNECTION"),
        (LimitName::BytesPerUser, "WS_BYTES_PER_USER"),
        (LimitName::BytesPerAddress, "WS_BYTES_PER_ADDRESS"),
    ] {
        let (refusing, observing) = (stage(&[(var, "1KiB/1s")]), observing(limit, var, "1KiB/1s"));
        for (stage, after, told) in [(&refusing, 0, (1, 0)), (&observing, 1, (0, 1))] {
            let mut ada = stage.connecting("ada").address([203, 0, 113, 7]).await.unwrap();
            let large = Text { text: "x".repeat(4000) };
            ada.send("echo", &large).await;
            assert_eq!(ada.recv::<Text>().await, large, "larger than a burst, but the first");
            assert_eq!(passed(&mut ada, 1).await, after, "{limit}");
            assert_eq!(counted(stage, limit), told, "{limit}");
            tokio::time::advance(Duration::from_secs(5)).await;
            assert_eq!(passed(&mut ada, 1).await, 1, "it is paid for");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_are_observed_and_handled() {
    let stage = observing(CONNECTION, "WS_FRAMES_PER_CONNECTION", "5/1h");
    let mut ada = stage.connect("ada").await;
    assert_eq!(passed(&mut ada, 100).await, 100);
    assert_eq!((counted(&stage, CONNECTION), stage.layer.stats().flooded), ((0, 95), 0));
}

#[tokio::test]
async fn pings_pongs_and_fragments_count_over_a_socket() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "10/1h")]);
    let server = socket::serve(&stage).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    // Four, of which three only continue the first.
    let mut frames = frame::fragments(1, [r#"{"type":"echo","#, r#""data":"#, r#"{"text":"#, r#""x"}}"#]);
    frames.extend([Frame::ping("a"), Frame::pong("b"), Frame::ping("c"), Frame::pong("d"), Frame::ping("e")]);
    frames.push(Frame::text(r#"{"type":"quiet","id":1}"#));
    frames.push(Frame::text(r#"{"type":"quiet","id":2}"#));
    raw.write(&frame::join(frames)).await;
    let mut texts = Vec::new();
    while texts.len() < 3 {
        let (first, payload) = socket::soon("an answer", raw.next()).await.unwrap();
        if first & 0x0f == 1 {
            texts.push(serde_json::from_slice::<serde_json::Value>(&payload).unwrap());
        }
    }
    assert_eq!(texts[0]["data"]["text"], "x");
    assert_eq!((&texts[1]["type"], &texts[1]["re"]), (&"$ok".into(), &1.into()));
    assert_eq!(texts[2]["data"]["error_code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(counted(&stage, CONNECTION), (1, 0));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_which_fragments_were_refused_is_dropped_at_its_end() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "50/1s")]);
    let server = socket::serve(&stage).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    let some = |last| frame::join((0..100).map(|_| Frame::continuation("").more()).chain([last]));
    raw.write(&Frame::text("").more().bytes()).await;
    // The first are more than a burst, and pass.
    raw.write(&some(Frame::ping("one"))).await;
    raw.write(&some(Frame::ping("two"))).await;
    let (mut is_told, mut is_answered) = (false, false);
    while !is_told || !is_answered {
        let (opcode, payload) = raw.next().await.unwrap();
        is_told |= opcode == frame::TEXT && String::from_utf8_lossy(&payload).contains("frames_per_connection");
        is_answered |= opcode == frame::PONG && payload == b"two";
    }
    // By now it could pass.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    raw.write(&Frame::continuation(r#"{"type":"quiet","id":1}"#).bytes()).await;
    raw.write(&Frame::text(r#"{"type":"quiet","id":2}"#).bytes()).await;
    let answer = loop {
        let (_, answer) = raw.next().await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        // What was refused behind the answer is told meanwhile.
        if answer["type"] != "error" {
            break answer;
        }
        assert_eq!(answer["data"]["details"]["limit"], json!(["frames_per_connection"]));
    };
    assert_eq!((&answer["type"], &answer["re"]), (&"$ok".into(), &2.into()));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn bytes_of_a_message_that_is_never_complete_count() {
    let large = "x".repeat(100_000);
    let half = Frame::text(&*large).bytes()[..50_000].to_vec();
    let fragment = [Frame::text(&*large).more().bytes(), Frame::ping("").bytes()].concat();
    // Complete, but for its last character.
    let no_text = Frame::text([large.as_bytes(), &[0xc3]].concat()).bytes();
    for (what, bytes, code) in [
        ("half a frame", &half, None),
        ("a fragment, and the server closes", &fragment, Some(4501)),
        ("what is no text", &no_text, Some(1007)),
    ] {
        let stage = stage(&[("WS_BYTES_PER_USER", "1KiB/1h")]);
        let server = socket::serve(&stage).await;
        let mut raw = Raw::open(server.address, "/ws/ada").await;
        raw.write(bytes).await;
        if code == Some(4501) {
            assert_eq!(raw.next().await.map(|(opcode, _)| opcode), Some(frame::PONG));
            stage.layer.close_user("ada", "go").await.unwrap();
        }
        if code.is_some() {
            assert_eq!(raw.closed().await, code, "{what}");
        }
        drop(raw);
        socket::soon(what, stage.empty()).await;
        let mut ada = server.connect("ada").await;
        let answer = ada.request("quiet", json!({})).await;
        assert_eq!(answer["data"]["details"]["limit"], json!(["bytes_per_user"]), "{what}: {answer}");
        drop(ada);
        server.stop().await;
    }
}

#[tokio::test]
async fn fragments_that_come_with_the_end_of_a_connection_count() {
    for (end, code) in [(Frame::close(1000, ""), 1000), (Frame::text("not before the other ends"), 1002)] {
        let stage = stage(&[("WS_FRAMES_PER_USER", "50/1h")]);
        let server = socket::serve(&stage).await;
        let mut raw = Raw::open(server.address, "/ws/ada").await;
        let fragments = (0..100).map(|_| Frame::continuation("").more());
        raw.write(&frame::join([Frame::text("").more()].into_iter().chain(fragments).chain([end]))).await;
        assert_eq!(raw.closed().await, Some(code));
        drop(raw);
        socket::soon("it is gone", stage.empty()).await;
        let mut ada = server.connect("ada").await;
        let answer = ada.request("quiet", json!({})).await;
        assert_eq!(answer["data"]["details"]["limit"], json!(["frames_per_user"]), "{code}: {answer}");
        drop(ada);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_message_that_never_ends_does_not_come_for_nothing() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "50/1h")]);
    let server = socket::serve(&stage).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    let some = |number| frame::join((0..number).map(|_| Frame::continuation("").more()));
    raw.write(&Frame::text("").more().bytes()).await;
    // The first are more than a burst, and pass.
    raw.write(&some(100)).await;
    raw.write(&Frame::ping("").bytes()).await;
    assert_eq!(raw.next().await.map(|(opcode, _)| opcode), Some(10));
    raw.write(&some(100)).await;
    let (_, told) = raw.next().await.unwrap();
    assert!(String::from_utf8(told).unwrap().contains("frames_per_connection"));
    raw.write(&some(1000)).await;
    assert_eq!(raw.closed().await, Some(1013));
    assert_eq!(stage.layer.stats().flooded, 1);
    drop(raw);
    server.stop().await;
}

/// Of a burst, the first that is refused is told at once, and nothing comes later that would tell the others.
#[tokio::test(start_paused = true)]
async fn what_is_refused_behind_the_answer_of_a_burst_is_told_by_the_sweep() {
    let stage = stage(&[("WS_FRAMES_PER_CONNECTION", "5/5s"), ("WS_HEARTBEAT_INTERVAL", "8s")]);
    let mut ada = stage.connect("ada").await;
    for _ in 0..12 {
        ada.send("echo", &Text { text: "x".into() }).await;
    }
    for _ in 0..5 {
        assert_eq!(ada.recv::<Text>().await.text, "x");
    }
    assert_eq!(ada.next_message().await.data["details"]["refused"], json!(["1"]));
    let rest = tokio::time::timeout(Duration::from_secs(3), ada.next_message()).await.unwrap();
    assert_eq!((&*rest.name, &rest.data["error_code"]), ("error", &"RATE_LIMIT_EXCEEDED".into()));
    assert_eq!(rest.data["details"], json!({"limit": ["frames_per_connection"], "refused": ["6"]}));
    assert!(rest.data["retry_after_ms"].as_u64().is_some_and(|wait| wait < 1000), "{}", rest.data);
    assert!(tokio::time::timeout(Duration::from_secs(7), ada.next_message()).await.is_err(), "told again");
    assert_eq!(counted(&stage, CONNECTION), (7, 0));
    assert_eq!(passed(&mut ada, 5).await, 5);
}
