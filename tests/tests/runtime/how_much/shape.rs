//! Groups of a connection, and the size and depth of its messages.

use channels::message::{Frame as Frames, MessagePack, Serializer};
use channels_tests::frame::Frame;
use channels_tests::probe::{Group, Text};
use channels_tests::raw::Raw;
use channels_tests::socket;
use serde_json::{Value, json};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_connection_is_in_so_many_groups() {
    let limit = LimitName::GroupsPerConnection;
    let (refusing, observing) =
        (stage(&[("WS_GROUPS_PER_CONNECTION", "2")]), observing(limit, "WS_GROUPS_PER_CONNECTION", "2"));
    for (stage, third, told) in [(&refusing, "error", (1, 0)), (&observing, "$ok", (0, 1))] {
        let (mut ada, mut bob) = (stage.connect("ada").await, stage.connect("bob").await);
        // Again is no further one.
        for (group, name) in [("a", "$ok"), ("b", "$ok"), ("b", "$ok"), ("c", third)] {
            ada.request(1, "join", &Group { group: group.into() }).await;
            let answer = ada.next_message().await;
            assert_eq!(answer.name, name, "{group}");
            if name == "error" {
                assert_eq!(answer.data["error_code"], "VALIDATION_FAILED");
                let problem = answer.data["details"]["group"][0].as_str().unwrap();
                assert!(problem.contains("2 groups (WS_GROUPS_PER_CONNECTION)"), "{problem}");
            }
        }
        assert_eq!(counted(stage, limit), told);
        bob.request(1, "join", &Group { group: "c".into() }).await;
        assert_eq!(bob.next_message().await.name, "$ok", "it is each connection's own");
        ada.send("leave", &Group { group: "a".into() }).await;
        ada.send("leave", &Group { group: "c".into() }).await;
        ada.request(1, "join", &Group { group: "d".into() }).await;
        assert_eq!(ada.next_message().await.name, "$ok");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_nested_so_deep() {
    let limit = LimitName::PayloadDepth;
    let (refusing, observing) =
        (stage(&[("WS_MAX_PAYLOAD_DEPTH", "3")]), observing(limit, "WS_MAX_PAYLOAD_DEPTH", "3"));
    for (stage, deep, told) in [(&refusing, "error", (3, 0)), (&observing, "$ok", (0, 3))] {
        let mut ada = stage.connect("ada").await;
        for (data, name) in [
            (json!({"a": {"b": ["[[[[[[[["]}}), "$ok"),
            (json!([[{"a": 1}, {"b": 2}], [], [{}]]), "$ok"),
            (json!({"a": {"b": [[1]]}}), deep),
        ] {
            ada.send_json(&json!({"type": "quiet", "data": data, "id": 7})).await;
            let answer = ada.next_message().await;
            assert_eq!((&*answer.name, &answer.re), (name, &Some(Value::from(7))), "{data}");
            if name == "error" {
                let problem = json!({"data": ["is nested deeper than 3 levels"]});
                assert_eq!(
                    (&answer.data["error_code"], &answer.data["details"]),
                    (&"VALIDATION_FAILED".into(), &problem)
                );
            }
        }
        // Whatever member it is in: named where the protocol has it.
        for (member, said) in [("metadata", "metadata"), ("other", "message")] {
            ada.send_json(&json!({"type": "quiet", member: {"x": [[["deep"]]]}, "data": [], "id": 8})).await;
            let answer = ada.next_message().await;
            assert_eq!(answer.name, deep);
            if deep == "error" {
                assert_eq!(answer.data["details"], json!({said: ["is nested deeper than 3 levels"]}));
            }
        }
        assert_eq!(counted(stage, limit), told);
    }
}

/// An envelope of MessagePack whose `member` is so many arrays, one in another; no encoder of ours would make it.
fn packed(name: &str, member: &str, levels: usize) -> Vec<u8> {
    let text = |text: &str| [&[0xa0 | text.len() as u8], text.as_bytes()].concat();
    let deep = [vec![0x91; levels - 1], vec![0x90]].concat();
    [vec![0x82], text("type"), text(name), text(member), deep].concat()
}

#[tokio::test(start_paused = true)]
async fn messagepack_is_nested_as_deep_as_json_and_no_deeper() {
    for (vars, levels) in [(vec![("WS_MAX_PAYLOAD_DEPTH", "3")], 3), (vec![], 127)] {
        let stage = stage(&vars);
        let (mut json, mut msgpack) =
            (stage.connect("ada").await, stage.connecting("bob").protocol("channels.v1.msgpack").await.unwrap());
        for (name, member) in [("quiet", "data"), ("quiet", "other"), ("nobody_knows", "data")] {
            for (levels, is_too_deep) in [(levels, false), (levels + 1, true)] {
                let deep = "[".repeat(levels) + &"]".repeat(levels);
                json.send_text(format!(r#"{{"type":"{name}","{member}":{deep}}}"#)).await;
                json.send_json(&json!({"type": "ping", "id": 1})).await;
                msgpack.send_binary(packed(name, member, levels)).await;
                msgpack.send_json(&json!({"type": "ping", "id": 1})).await;
                let mut words = Vec::new();
                for client in [&mut json, &mut msgpack] {
                    let mut said = String::new();
                    loop {
                        let frame = match client.next_frame().await {
                            Frames::Text(text) => text.to_string(),
                            Frames::Binary(bytes) => MessagePack.decode(bytes).unwrap().to_string(),
                        };
                        if frame.contains("pong") {
                            break;
                        }
                        said += &frame;
                    }
                    words.push(said);
                }
                for said in words {
                    let is_refused = said.contains("deeper than") || said.contains("INVALID_JSON");
                    assert_eq!(is_refused, is_too_deep, "{levels} of {member} in {name}: {said}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_deep_and_no_message_is_refused_for_what_it_lacks() {
    let stage = stage(&[("WS_MAX_MESSAGE_SIZE", "4MiB")]);
    let (mut json, mut msgpack) =
        (stage.connect("ada").await, stage.connecting("bob").protocol("channels.v1.msgpack").await.unwrap());
    let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    for (text, code) in [
        (deep.clone(), "INVALID_MESSAGE_FORMAT"),
        (format!(r#"{{"data":{deep}}}"#), "MISSING_MESSAGE_TYPE"),
        (format!(r#"{{"type":{deep}}}"#), "INVALID_MESSAGE_FORMAT"),
        (format!(r#"{{"type":"quiet","id":{deep}}}"#), "INVALID_MESSAGE_FORMAT"),
        (format!(r#"{{"type":"quiet","ttl_seconds":{deep}}}"#), "INVALID_MESSAGE_FORMAT"),
        (format!(r#"{{"type":"quiet","priority":{deep}}}"#), "INVALID_MESSAGE_FORMAT"),
        (format!(r#"{{"type":"quiet","data":{deep}"#), "INVALID_JSON"),
        ("[".repeat(4 << 20), "INVALID_JSON"),
        (format!(r#"{{"type":"quiet","data":{deep}}}"#), "VALIDATION_FAILED"),
    ] {
        let what = text[..text.len().min(40)].to_owned();
        json.send_text(text).await;
        assert_eq!(json.next_message().await.data["error_code"], code, "{what}");
    }
    for bytes in [vec![0x91; 4 << 20], packed("quiet", "other", 1 << 20)] {
        msgpack.send_binary(bytes).await;
        let Frames::Binary(told) = msgpack.next_frame().await else { panic!("no MessagePack") };
        assert!(MessagePack.decode(told).unwrap().contains("INVALID_JSON"));
    }
    assert_eq!(counted(&stage, LimitName::PayloadDepth), (1, 0));
}

#[tokio::test]
async fn a_message_has_so_many_bytes() {
    let limit = LimitName::MessageSize;
    let message = |text: &str| json!({"type": "echo", "data": Text { text: text.into() }}).to_string();
    let large = "x".repeat(2000);

    let refusing = stage(&[("WS_MAX_MESSAGE_SIZE", "1KiB")]);
    let server = socket::serve(&refusing).await;
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&Frame::text(message(&large)).bytes()).await;
    assert_eq!(socket::soon("the close", raw.closed()).await, Some(1009));
    assert_eq!(counted(&refusing, limit), (1, 0));
    drop(raw);
    server.stop().await;

    let observing = observing(limit, "WS_MAX_MESSAGE_SIZE", "1KiB");
    let server = socket::serve(&observing).await;
    let mut ada = server.connect("ada").await;
    for text in ["small", &*large] {
        assert_eq!(ada.request("echo", json!({"text": text})).await["data"]["text"], text);
    }
    assert_eq!(counted(&observing, limit), (0, 1));
    drop(ada);
    // Memory is the server's all the same.
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&Frame::text(message(&"x".repeat(4096))).bytes()).await;
    assert_eq!(socket::soon("the close", raw.closed()).await, Some(1009));
    assert_eq!(counted(&observing, limit), (1, 1));
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn to_observe_all_takes_away_nothing_that_protects_by_default() {
    let vars = [("WS_OBSERVE_ONLY", "all"), ("WS_MAX_MESSAGE_SIZE", "1KiB"), ("WS_MAX_PAYLOAD_DEPTH", "3")];
    let stage = stage(&vars);
    let server = socket::serve(&stage).await;
    let mut ada = server.connect("ada").await;
    assert_eq!(ada.request("quiet", json!([[[[1]]]])).await["data"]["error_code"], "VALIDATION_FAILED");
    let mut raw = Raw::open(server.address, "/ws/ada").await;
    raw.write(&Frame::text("x".repeat(1025)).bytes()).await;
    assert_eq!(socket::soon("the close", raw.closed()).await, Some(1009));
    drop((ada, raw));
    server.stop().await;
}
