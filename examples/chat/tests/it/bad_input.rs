//! Whatever a client sends: one error or the right close code, and the others undisturbed.

use serde_json::json;

use super::client::{Client, refused};
use super::http;
use super::server::Server;

#[tokio::test]
async fn each_bad_frame_gets_its_error_and_the_connection_lives_on() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    let brackets = format!(r#"{{"type":"chat_message","data":{}"#, "[".repeat(10_000_000));
    let table = [
        ("", "INVALID_JSON"),
        ("nonsense", "INVALID_JSON"),
        ("[1", "INVALID_JSON"),
        (brackets.as_str(), "INVALID_JSON"),
        ("[]", "INVALID_MESSAGE_FORMAT"),
        (r#"{"type":1}"#, "INVALID_MESSAGE_FORMAT"),
        (r#"{"type":"ping","type":"ping"}"#, "INVALID_MESSAGE_FORMAT"),
        (r#"{"data":{}}"#, "MISSING_MESSAGE_TYPE"),
        (r#"{"type":"nope"}"#, "INVALID_MESSAGE_PARAMS"),
        (r#"{"type":"$ok"}"#, "INVALID_MESSAGE_PARAMS"),
        (r#"{"type":"chat_message"}"#, "VALIDATION_FAILED"),
        (r#"{"type":"chat_message","data":{"room":1,"text":"x"}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"chat_message","data":{"room":"rust","text":"x"}}"#, "AUTHORIZATION_FAILED"),
        (r#"{"type":"join_room","data":{"room":"a\u0000b"}}"#, "VALIDATION_FAILED"),
        (r#"{"type":"join_room","data":{"room":"\ud800"}}"#, "INVALID_JSON"),
        (r#"{"type":"private_message","data":{"target_user_id":"a\nb","text":"x"}}"#, "VALIDATION_FAILED"),
    ];
    for (frame, code) in table {
        ada.send_text(frame).await;
        let error = ada.expect("error").await;
        assert_eq!(error["error_code"], code, "{}", &frame[..frame.len().min(80)]);
        assert!(!error["error_id"].as_str().unwrap().is_empty());
    }
    ada.send_binary(b"\x01\x02").await;
    assert_eq!(ada.refusal().await, "INVALID_MESSAGE_PARAMS");
    ada.send_text(r#"{"type":"ping","ttl_seconds":0}"#).await;
    assert!(ada.settle().await.is_empty(), "an expired message is dropped");
    ada.join("rust").await;
}

#[tokio::test]
async fn an_oversized_frame_closes_with_1009_and_only_its_own_connection() {
    let (server, _folder) = Server::with(&[("WS_MAX_MESSAGE_SIZE", "1MiB")]).await;
    let (mut ada, mut bob) = (server.connect("ada").await, server.connect("bob").await);
    bob.join("rust").await;
    ada.join("rust").await;
    bob.until("user_joined_room").await;
    ada.send_text(&" ".repeat(1024 * 1024 + 1)).await;
    assert_eq!(ada.close_code().await, Some(1009));
    bob.until("user_left").await;
}

#[tokio::test]
async fn names_that_are_none_are_refused_before_the_upgrade() {
    let (server, _folder) = Server::start().await;
    let address = &server.address;
    let long = format!("/ws/{}", "a".repeat(10_000));
    for path in ["/ws/", "/ws/a%0Ab", "/ws/%00", "/ws/%ff", long.as_str()] {
        assert_eq!(refused(address, path).await, 400, "{}", &path[..path.len().min(40)]);
    }
    for name in ["%F0%9F%A6%80", &"a".repeat(128), "a%20b", "a%2Fb"] {
        Client::connect(address, name).await.close().await;
    }
    let plain = http::get(address, "/ws/ada").await;
    assert!((400..500).contains(&plain.status), "{plain:?}");
}

#[tokio::test]
async fn limits_refuse_before_the_upgrade_and_places_come_back() {
    let (server, _folder) = Server::with(&[("MAX_CONNECTIONS_PER_CLIENT", "2"), ("MAX_TOTAL_CONNECTIONS", "3")]).await;
    let (one, _two) = (server.connect("ada").await, server.connect("ada").await);
    assert_eq!(refused(&server.address, "/ws/ada").await, 429);
    let bob = server.connect("bob").await;
    assert_eq!(refused(&server.address, "/ws/eve").await, 503);
    one.close().await;
    bob.close().await;
    while http::get(&server.address, "/api/status").await.json()["connections"] != json!(1) {
        tokio::task::yield_now().await;
    }
    server.connect("ada").await;
}
