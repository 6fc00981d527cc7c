//! Texts, private ones, files, typing, history.

use serde_json::{Value, json};

use super::http;
use super::server::Server;

#[tokio::test]
async fn what_one_posts_the_room_sees_and_nobody_else() {
    let (server, _folder) = Server::start().await;
    let (mut ada, mut bob, mut eve) =
        (server.connect("ada").await, server.connect("bob").await, server.connect("eve").await);
    ada.join("rust").await;
    bob.join("rust").await;
    ada.expect("user_joined_room").await;
    ada.send("chat_message", json!({ "room": "rust", "text": "  <b>hi</b> 🦀 " })).await;
    for client in [&mut ada, &mut bob] {
        let posted = client.expect("chat_message").await;
        assert_eq!(posted["text"], "<b>hi</b> 🦀");
        assert_eq!(
            (&posted["user_id"], &posted["username"], &posted["room"]),
            (&json!("ada"), &json!("ada"), &json!("rust"))
        );
    }
    assert_eq!(eve.settle().await, Vec::<Value>::new());
    eve.send("chat_message", json!({ "room": "rust", "text": "me too" })).await;
    assert_eq!(eve.refusal().await, "AUTHORIZATION_FAILED");
}

#[tokio::test]
async fn a_text_of_100_000_characters_passes_and_one_more_does_not() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    ada.send("chat_message", json!({ "room": "rust", "text": "é".repeat(100_000) })).await;
    assert_eq!(ada.expect("chat_message").await["text"].as_str().unwrap().chars().count(), 100_000);
    ada.send("chat_message", json!({ "room": "rust", "text": "é".repeat(100_001) })).await;
    let error = ada.expect("error").await;
    assert_eq!(error["message"], "text: length is greater than 100000");
    assert_eq!(error["details"], json!({ "text": ["length is greater than 100000"] }));
    assert_eq!(error["message_type"], "chat_message");
    ada.send("chat_message", json!({ "room": "rust", "text": " \n " })).await;
    assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_private_message_reaches_every_connection_of_its_target() {
    let (server, _folder) = Server::start().await;
    let (mut one, mut other) = (server.connect("bob").await, server.connect("bob").await);
    let mut ada = server.connect("ada").await;
    ada.send("private_message", json!({ "target_user_id": "bob", "text": "psst" })).await;
    let sent = ada.expect("private_message_sent").await;
    assert_eq!(
        (&sent["to_user_id"], &sent["to_username"], &sent["text"]),
        (&json!("bob"), &json!("bob"), &json!("psst"))
    );
    for client in [&mut one, &mut other] {
        let message = client.expect("private_message").await;
        assert_eq!(
            (&message["from_user_id"], &message["to_user_id"], &message["text"]),
            (&json!("ada"), &json!("bob"), &json!("psst"))
        );
    }
    ada.send("private_message", json!({ "target_user_id": "nobody", "text": "psst" })).await;
    assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
    // Who has been here is known, though away.
    one.close().await;
    other.close().await;
    ada.send("private_message", json!({ "target_user_id": "bob", "text": "later" })).await;
    ada.expect("private_message_sent").await;
}

#[tokio::test]
async fn a_file_of_ten_megabytes_goes_to_the_room_and_can_be_downloaded() {
    let (server, _folder) = Server::start().await;
    let (mut ada, mut bob) = (server.connect("ada").await, server.connect("bob").await);
    ada.join("rust").await;
    bob.join("rust").await;
    // 10 MiB is no multiple of three: its base64 ends with padding.
    let size = 10 * 1024 * 1024;
    let data = format!("{}==", "AAAA".repeat(size / 3) + "AA");
    let upload = json!({ "room": "rust", "filename": "größe \"1\".bin", "mime_type": "text/html", "file_size": size, "file_data": data });
    ada.send("file_message", upload).await;
    let posted = bob.expect("file_message").await;
    assert_eq!(posted["file_data"].as_str().unwrap().len(), data.len());
    assert_eq!((&posted["filename"], &posted["file_size"]), (&json!("größe \"1\".bin"), &json!(size)));
    assert_eq!(ada.until("file_message").await["user_id"], "ada");

    bob.send("get_message_history", json!({ "room": "rust" })).await;
    let entry = bob.expect("message_history").await["messages"][0].clone();
    assert_eq!(entry.get("file_data"), None);
    let url = entry["file_url"].as_str().unwrap().to_owned();
    let file = http::get(&server.address, &url).await;
    assert_eq!((file.status, file.body.len()), (200, size));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    let disposition = file.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment") && disposition.contains("gr%C3%B6%C3%9Fe"), "{disposition}");
    assert_eq!(http::get(&server.address, "/api/files/none").await.status, 404);
}

#[tokio::test]
async fn a_file_that_is_not_what_it_says_is_refused() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    let file = |size: u64, data: &str| json!({ "room": "rust", "filename": "a", "mime_type": "text/plain", "file_size": size, "file_data": data });
    for wrong in [file(2, "AAAA"), file(3, "!!!!"), file(3, "AAA"), file(11_000_000, "AAAA")] {
        ada.send("file_message", wrong).await;
        assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
    }
    ada.send("file_message", file(3, "AAAA")).await;
    ada.expect("file_message").await;
}

#[tokio::test]
async fn typing_is_told_to_the_others_and_ignored_outside() {
    let (server, _folder) = Server::start().await;
    let (mut ada, mut bob) = (server.connect("ada").await, server.connect("bob").await);
    ada.join("rust").await;
    bob.join("rust").await;
    ada.expect("user_joined_room").await;
    ada.send("typing_start", json!({ "room": "rust" })).await;
    ada.send("typing_stop", json!({ "room": "rust" })).await;
    ada.send("typing_start", json!({ "room": "elsewhere" })).await;
    assert_eq!(bob.expect("user_typing_start").await["user_id"], "ada");
    assert_eq!(bob.expect("user_typing_stop").await["room"], "rust");
    assert_eq!(ada.settle().await, Vec::<Value>::new());
}

#[tokio::test]
async fn history_is_oldest_first_limited_and_for_members() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    for number in 0..5 {
        ada.send("chat_message", json!({ "room": "rust", "text": number.to_string() })).await;
        ada.expect("chat_message").await;
    }
    ada.send("get_message_history", json!({ "room": "rust", "limit": 3 })).await;
    let history = ada.expect("message_history").await;
    let texts: Vec<&str> = history["messages"].as_array().unwrap().iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["2", "3", "4"]);
    for limit in [json!(0), json!(101), json!("x")] {
        ada.send("get_message_history", json!({ "room": "rust", "limit": limit })).await;
        assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
    }
    let mut bob = server.connect("bob").await;
    bob.send("get_message_history", json!({ "room": "rust" })).await;
    assert_eq!(bob.refusal().await, "AUTHORIZATION_FAILED");
}

#[tokio::test]
async fn posting_is_limited_by_user_over_connections_and_reconnects() {
    let (server, _folder) = Server::start().await;
    let (mut one, mut other) = (server.connect("ada").await, server.connect("ada").await);
    one.join("rust").await;
    other.join("rust").await;
    one.until("user_joined_room").await;
    for number in 0..20 {
        let client = if number % 2 == 0 { &mut one } else { &mut other };
        client.send("chat_message", json!({ "room": "rust", "text": "x" })).await;
        one.until("chat_message").await;
        other.until("chat_message").await;
    }
    one.send("chat_message", json!({ "room": "rust", "text": "x" })).await;
    let error = one.expect("error").await;
    assert_eq!((&error["error_code"], &error["retryable"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!(true)));
    let after = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=500).contains(&after), "{after}");
    one.close().await;
    let mut again = server.connect("ada").await;
    again.join("rust").await;
    // Whatever the time passed, far from twenty are back: a reconnect resets nothing.
    for _ in 0..15 {
        again.send("chat_message", json!({ "room": "rust", "text": "x" })).await;
    }
    assert_eq!(again.refusal().await, "RATE_LIMIT_EXCEEDED");
    other.send("typing_start", json!({ "room": "rust" })).await;
    let told = other.settle().await;
    assert!(told.iter().all(|message| message["type"] != "error"), "typing has a limit of its own: {told:?}");
}
