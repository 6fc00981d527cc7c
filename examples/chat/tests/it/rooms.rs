//! Rooms: joining, leaving, listing, who is there.

use serde_json::json;

use super::client::Client;
use super::server::Server;

#[tokio::test]
async fn who_joins_is_told_first_and_then_the_room() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    let mut bob = server.connect("bob").await;
    bob.send("join_room", json!({ "room": " rust " })).await;
    assert_eq!(bob.expect("room_joined").await["room"], "rust");
    let info = bob.expect("room_info").await;
    assert_eq!(
        (&info["user_count"], &info["created_by"], &info["is_public"]),
        (&json!(2), &json!("ada"), &json!(true))
    );
    assert_eq!(bob.expect("user_joined_room").await["user_id"], "bob");
    let joined = ada.expect("user_joined_room").await;
    assert_eq!(
        (&joined["user_id"], &joined["username"], &joined["room"]),
        (&json!("bob"), &json!("bob"), &json!("rust"))
    );
    assert!(joined["timestamp"].as_f64().unwrap() > 1.7e9);
}

#[tokio::test]
async fn a_second_join_and_a_leave_of_nothing_are_errors_in_words() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    ada.send("join_room", json!({ "room": "rust" })).await;
    assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
    ada.send("leave_room", json!({ "room": "go" })).await;
    let error = ada.expect("error").await;
    assert_eq!(error["error_code"], "AUTHORIZATION_FAILED");
    assert!(error["message"].as_str().unwrap().contains("not a member"), "{error}");
}

#[tokio::test]
async fn leaving_is_told_to_who_leaves_and_to_the_rest() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    let mut bob = server.connect("bob").await;
    bob.join("rust").await;
    bob.send("leave_room", json!({ "room": "rust" })).await;
    assert_eq!(bob.expect("room_left").await["room"], "rust");
    ada.expect("user_joined_room").await;
    assert_eq!(ada.expect("user_left_room").await["user_id"], "bob");
    assert_eq!(bob.settle().await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_connection_that_ends_without_leaving_is_told_to_each_of_its_rooms() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    ada.join("go").await;
    let mut bob = server.connect("bob").await;
    bob.join("rust").await;
    bob.join("go").await;
    drop(bob);
    let mut rooms = [ada.until("user_left").await, ada.until("user_left").await].map(|left| left["room"].clone());
    rooms.sort_by_key(ToString::to_string);
    assert_eq!(rooms, [json!("go"), json!("rust")]);
}

#[tokio::test]
async fn membership_belongs_to_a_connection_and_the_user_stays_online_with_another() {
    let (server, _folder) = Server::start().await;
    let mut one = server.connect("ada").await;
    one.join("rust").await;
    let mut other = server.connect("ada").await;
    other.send("chat_message", json!({ "room": "rust", "text": "hi" })).await;
    assert_eq!(other.refusal().await, "AUTHORIZATION_FAILED");
    other.join("rust").await;
    one.close().await;
    other.until("user_left").await;
    other.send("get_room_users", json!({ "room": "rust" })).await;
    let users = other.expect("room_users").await;
    assert_eq!(users["users"], json!([{ "user_id": "ada", "username": "ada", "status": "online" }]));
}

#[tokio::test]
async fn who_was_in_a_room_and_is_away_is_offline() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    let mut bob = server.connect("bob").await;
    bob.join("rust").await;
    bob.close().await;
    ada.until("user_left").await;
    ada.send("get_room_users", json!({ "room": "rust" })).await;
    let users = ada.expect("room_users").await;
    let status = |user: usize| (users["users"][user]["user_id"].clone(), users["users"][user]["status"].clone());
    assert_eq!([status(0), status(1)], [(json!("ada"), json!("online")), (json!("bob"), json!("offline"))]);
}

#[tokio::test]
async fn private_rooms_are_listed_to_their_members_only_and_never_taken_over() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.send("create_room", json!({ "room_name": "secret", "is_public": false })).await;
    assert_eq!(ada.expect("room_created").await["is_public"], false);
    ada.expect("room_joined").await;
    ada.expect("room_info").await;
    ada.expect("user_joined_room").await;
    let mut bob = server.connect("bob").await;
    bob.send("create_room", json!({ "room_name": "open" })).await;
    bob.expect("room_created").await;
    bob.until("user_joined_room").await;
    bob.send("create_room", json!({ "room_name": "secret" })).await;
    assert_eq!(bob.refusal().await, "AUTHORIZATION_FAILED");
    bob.send("get_room_users", json!({ "room": "secret" })).await;
    assert_eq!(bob.refusal().await, "VALIDATION_FAILED");
    assert_eq!(rooms(&mut bob).await, ["open"]);
    assert_eq!(rooms(&mut ada).await, ["open", "secret"]);
    // An existing public room is joined.
    ada.send("create_room", json!({ "room_name": "open", "is_public": false })).await;
    assert_eq!(ada.expect("room_joined").await["room"], "open");
    assert_eq!(ada.expect("room_info").await["is_public"], true);
}

async fn rooms(client: &mut Client) -> Vec<String> {
    client.send("list_rooms", json!({})).await;
    let list = client.until("rooms_list").await;
    list["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn exactly_one_frame_answers_a_request() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    ada.send_text(r#"{"type":"join_room","id":1,"data":{"room":"rust"}}"#).await;
    assert_eq!(ada.next().await.get("re"), None);
    let info = ada.next().await;
    assert_eq!((&info["type"], &info["re"]), (&json!("room_info"), &json!(1)));
    assert_eq!(ada.next().await.get("re"), None);
    ada.send_text(r#"{"type":"chat_message","id":"x","data":{"room":"rust","text":"hi"}}"#).await;
    let posted = ada.next().await;
    assert_eq!((&posted["type"], posted.get("re")), (&json!("chat_message"), None));
    assert_eq!(ada.next().await, json!({ "type": "$ok", "re": "x" }));
}
