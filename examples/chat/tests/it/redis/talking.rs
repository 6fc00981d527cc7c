//! Two people on two servers do not notice that they are.

use serde_json::{Value, json};

use super::pair::{Pair, eventually};
use crate::client::Client;
use crate::http::{get, post, request};

/// Ada on one server and Bob on the other, both in the room.
async fn two_in(pair: &Pair, room: &str) -> (Client, Client) {
    let (mut ada, mut bob) = (pair.one.connect("ada").await, pair.other.connect("bob").await);
    ada.join(room).await;
    bob.join(room).await;
    assert_eq!(ada.expect("user_joined_room").await["user_id"], "bob");
    (ada, bob)
}

async fn asked(client: &mut Client, request: &str, room: &str, answer: &str) -> Value {
    client.send(request, json!({ "room": room })).await;
    client.until(answer).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_posts_both_see_in_one_order_and_both_find_in_the_history() {
    let pair = Pair::start().await;
    let (mut ada, mut bob) = two_in(&pair, "rust").await;
    for number in 0..5 {
        ada.send("chat_message", json!({ "room": "rust", "text": format!("ada {number}") })).await;
        bob.send("chat_message", json!({ "room": "rust", "text": format!("bob {number}") })).await;
    }
    let texts = async |client: &mut Client| {
        let mut texts = Vec::new();
        for _ in 0..10 {
            texts.push(client.expect("chat_message").await["text"].clone());
        }
        texts
    };
    let (one, other) = (texts(&mut ada).await, texts(&mut bob).await);
    assert_eq!(one, other);
    for server in pair.both() {
        let history = get(&server.address, "/api/rooms/rust/messages").await.json();
        assert_eq!(history["count"], 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_messages_files_typing_and_goodbyes_cross() {
    let pair = Pair::start().await;
    let (mut ada, mut bob) = two_in(&pair, "rust").await;
    let mut phone = pair.other.connect("ada").await;
    bob.send("private_message", json!({ "target_user_id": "ada", "text": "psst" })).await;
    assert_eq!(bob.expect("private_message_sent").await["to_user_id"], "ada");
    for connection in [&mut ada, &mut phone] {
        assert_eq!(connection.expect("private_message").await["text"], "psst");
    }
    ada.send("typing_start", json!({ "room": "rust" })).await;
    assert_eq!(bob.expect("user_typing_start").await["user_id"], "ada");
    ada.send("typing_stop", json!({ "room": "rust" })).await;
    assert_eq!(bob.expect("user_typing_stop").await["user_id"], "ada");
    let file = json!({
        "room": "rust", "filename": "n.txt", "mime_type": "text/plain", "file_size": 5, "file_data": "aGVsbG8=",
    });
    ada.send("file_message", file).await;
    let received = bob.expect("file_message").await;
    assert_eq!((&received["filename"], &received["file_data"]), (&json!("n.txt"), &json!("aGVsbG8=")));
    // The sender, whom her own typing is not told of.
    assert_eq!(ada.expect("file_message").await["file_size"], 5);
    bob.send("leave_room", json!({ "room": "rust" })).await;
    bob.expect("room_left").await;
    assert_eq!(ada.expect("user_left_room").await["user_id"], "bob");
    bob.join("rust").await;
    ada.expect("user_joined_room").await;
    drop(bob);
    assert_eq!(ada.expect("user_left").await["user_id"], "bob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_file_crosses_and_is_downloaded_from_either() {
    const BYTES: usize = 10_000_000;
    let pair = Pair::start().await;
    let (mut ada, mut bob) = two_in(&pair, "rust").await;
    let data = "A".repeat(BYTES.div_ceil(3) * 4 - 2) + "==";
    let file = json!({
        "room": "rust", "filename": "n.bin", "mime_type": "x/y", "file_size": BYTES, "file_data": data,
    });
    ada.send("file_message", file).await;
    for client in [&mut ada, &mut bob] {
        let received = client.expect("file_message").await;
        assert_eq!(received["file_data"].as_str().map(str::len), Some(data.len()));
        let path = received["file_url"].as_str().map(str::to_owned);
        for server in pair.both() {
            let Some(path) = &path else { continue };
            assert_eq!(get(&server.address, path).await.body.len(), BYTES);
        }
    }
    ada.send("chat_message", json!({ "room": "rust", "text": "big" })).await;
    assert_eq!(bob.expect("chat_message").await["text"], "big");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_by_rest_reaches_both_servers() {
    let pair = Pair::start().await;
    let (mut ada, mut bob) = two_in(&pair, "rust").await;
    let mut phone = pair.other.connect("ada").await;
    let address = &pair.other.address;
    assert_eq!(post(address, "/api/announce?message=Lunch").await.status, 200);
    for connection in [&mut ada, &mut bob, &mut phone] {
        assert_eq!(connection.expect("announcement").await["message"], "Lunch");
    }
    assert_eq!(post(&pair.one.address, "/api/user/ada/notification?message=hello").await.status, 200);
    for connection in [&mut ada, &mut phone] {
        assert_eq!(connection.expect("notification").await["message"], "hello");
    }
    assert_eq!(post(address, "/api/room/rust/message?user_id=bot&text=green").await.status, 200);
    assert_eq!(request(address, "POST", "/api/group/rust/message", "", r#"{"n": 1}"#).await.status, 200);
    for connection in [&mut ada, &mut bob] {
        assert_eq!(connection.expect("chat_message").await["text"], "green");
        assert_eq!(connection.expect("background_update").await["data"], json!({ "n": 1 }));
    }
    assert!(bob.settle().await.is_empty() && phone.settle().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_counted_on_all_servers() {
    let pair = Pair::start().await;
    let (mut ada, mut bob) = (pair.one.connect("ada").await, pair.other.connect("bob").await);
    ada.join("rust").await;
    bob.send("join_room", json!({ "room": "rust" })).await;
    bob.expect("room_joined").await;
    assert_eq!(bob.expect("room_info").await["user_count"], 2);
    bob.expect("user_joined_room").await;
    for client in [&mut ada, &mut bob] {
        let users = asked(client, "get_room_users", "rust", "room_users").await["users"].clone();
        let user = |name: &str| json!({ "user_id": name, "username": name, "status": "online" });
        assert_eq!(users, json!([user("ada"), user("bob")]));
        let rooms = asked(client, "list_rooms", "", "rooms_list").await["rooms"].clone();
        assert_eq!(rooms, json!([{ "name": "rust", "user_count": 2, "created_by": "ada", "is_public": true }]));
    }
    // A second connection elsewhere keeps its user in the room, and online.
    let mut phone = pair.other.connect("ada").await;
    phone.join("rust").await;
    ada.send("leave_room", json!({ "room": "rust" })).await;
    ada.until("room_left").await;
    ada.close().await;
    let statuses = async |client: &mut Client| {
        let users = asked(client, "get_room_users", "rust", "room_users").await;
        let list = users["users"].as_array().unwrap().iter();
        list.map(|user| (user["user_id"].as_str().unwrap().to_owned(), user["status"] == "online")).collect::<Vec<_>>()
    };
    let both = [("ada".to_owned(), true), ("bob".to_owned(), true)];
    assert_eq!(statuses(&mut bob).await, both);
    phone.close().await;
    let bob = tokio::sync::Mutex::new(bob);
    let look = async || statuses(&mut *bob.lock().await).await;
    eventually("ada is offline", look, |is| *is == [("bob".to_owned(), true), ("ada".to_owned(), false)]).await;
}
