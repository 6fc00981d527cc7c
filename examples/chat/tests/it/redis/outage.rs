//! Redis goes away under two chats and comes back: everything is answered in time and honestly, connections live on.

use std::time::{Duration, Instant};

use channels_tests::redis::Way;
use serde_json::json;

use super::pair::{NOTICED, Pair};
use crate::client::Client;
use crate::http::{get, post, request};
use crate::login::{SECRET, close_code, enter, sign_in};

/// What a busy machine may add to a measured time.
const SLACK: Duration = Duration::from_millis(250);

/// The answer to a request over the socket is the error that one may try again later, in time.
async fn is_refused(client: &mut Client, request: &str, data: serde_json::Value) {
    let began = Instant::now();
    client.send(request, data).await;
    let error = client.until_error().await;
    let code = (error["error_code"].as_str(), error["retryable"].as_bool(), error["message_type"].as_str());
    assert_eq!(code, (Some("BACKEND_ERROR"), Some(true), Some(request)), "{error}");
    assert!(began.elapsed() < NOTICED + SLACK, "{request} after {:?}", began.elapsed());
}

async fn is_503(address: &str, path: &str) {
    let began = Instant::now();
    let body = if path.starts_with("/api/group") { r#"{"n": 1}"# } else { "" };
    let answer = request(address, "POST", path, "", body).await;
    assert!(began.elapsed() < NOTICED, "{path} after {:?}", began.elapsed());
    assert_eq!((answer.status, answer.json()["error_code"].as_str()), (503, Some("BACKEND_ERROR")), "{path}");
}

async fn all_rest_is_503(address: &str) {
    tokio::join!(
        is_503(address, "/api/announce?message=lost"),
        is_503(address, "/api/room/rust/message?user_id=bot&text=lost"),
        is_503(address, "/api/user/ada/notification?message=lost"),
        is_503(address, "/api/group/rust/message"),
    );
}

/// Everything that can be asked for, all at once.
async fn everything_is_refused(pair: &Pair, ada: &mut Client, bob: &mut Client, eve: &mut [Client; 3]) {
    let [join, rejoin, private] = eve;
    tokio::join!(
        all_rest_is_503(&pair.one.address),
        all_rest_is_503(&pair.other.address),
        is_refused(ada, "chat_message", json!({ "room": "rust", "text": "lost" })),
        is_refused(bob, "typing_start", json!({ "room": "rust" })),
        // A room that nobody of this server is in, and one that this server hears, or believes to.
        is_refused(join, "join_room", json!({ "room": "new" })),
        is_refused(rejoin, "join_room", json!({ "room": "rust" })),
        is_refused(private, "private_message", json!({ "target_user_id": "ada", "text": "lost" })),
    );
}

async fn survives(pair: Pair, lose: impl AsyncFn(&Pair), restore: impl AsyncFn(&Pair)) {
    let (mut ada, mut bob) = (pair.one.connect("ada").await, pair.other.connect("bob").await);
    ada.join("rust").await;
    bob.join("rust").await;
    ada.expect("user_joined_room").await;
    let mut eve = [pair.one.connect("eve-1").await, pair.other.connect("eve-2").await, pair.one.connect("eve-3").await];

    let began = Instant::now();
    lose(&pair).await;
    tokio::join!(everything_is_refused(&pair, &mut ada, &mut bob, &mut eve), pair.readiness_is(503, began));
    let refused = get(&pair.one.address, "/readyz").await;
    assert!(refused.json()["message"].as_str().is_some_and(|words| words.contains("not reachable")), "{refused:?}");
    assert_eq!(get(&pair.one.address, "/healthz").await.status, 200);
    // Again, when it is known that Redis is away.
    everything_is_refused(&pair, &mut ada, &mut bob, &mut eve).await;
    // What needs no Redis goes on, lists with this server's own numbers.
    ada.send("list_rooms", json!({})).await;
    let rooms = ada.until("rooms_list").await["rooms"].clone();
    assert_eq!(
        (rooms[0]["name"].as_str(), rooms[0]["user_count"].as_u64(), rooms.get(1)),
        (Some("rust"), Some(1), None)
    );

    let back = Instant::now();
    restore(&pair).await;
    pair.readiness_is(200, back).await;
    // The same connections, and each hears the other.
    ada.send("chat_message", json!({ "room": "rust", "text": "again" })).await;
    assert_eq!(bob.until("chat_message").await["text"], "again");
    bob.send("chat_message", json!({ "room": "rust", "text": "indeed" })).await;
    assert_eq!(ada.until("chat_message").await["text"], "again");
    assert_eq!(ada.until("chat_message").await["text"], "indeed");
    assert!(back.elapsed() < NOTICED, "after {:?}", back.elapsed());

    // Who was refused is no member, here or in the database.
    for client in &mut eve {
        client.settle().await;
        for room in ["new", "rust"] {
            client.send("chat_message", json!({ "room": room, "text": "lost" })).await;
            assert_eq!(client.refusal().await, "AUTHORIZATION_FAILED");
        }
    }
    ada.send("get_room_users", json!({ "room": "rust" })).await;
    let users = ada.until("room_users").await;
    let users: Vec<_> = users["users"].as_array().unwrap().iter().map(|user| user["user_id"].clone()).collect();
    assert_eq!(users, ["ada", "bob"]);
    ada.send("get_room_users", json!({ "room": "new" })).await;
    assert_eq!(ada.refusal().await, "VALIDATION_FAILED");
    eve[0].join("rust").await;
    // What was answered with an error was not kept.
    for server in pair.both() {
        let history = get(&server.address, "/api/rooms/rust/messages").await.json();
        let texts: Vec<_> = history["messages"].as_array().unwrap().iter().map(|one| one["text"].clone()).collect();
        assert_eq!(texts, ["again", "indeed"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_is_survived() {
    let lose = async |pair: &Pair| pair.proxy.blackhole(Way::Both);
    survives(Pair::start().await, lose, async |pair| pair.proxy.pass()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back_empty_is_survived() {
    let lose = async |pair: &Pair| pair.redis.kill_9();
    survives(Pair::start().await, lose, async |pair| pair.redis.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_is_survived() {
    let lose = async |pair: &Pair| pair.redis.stop_signal();
    survives(Pair::start().await, lose, async |pair| pair.redis.continue_signal()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_limits_that_refuse_nobody_new_is_let_in_and_nothing_is_counted_alone() {
    let pair = Pair::with(&[("REDIS_LIMIT_FALLBACK", "refuse")]).await;
    let mut ada = pair.one.connect("ada").await;
    ada.join("rust").await;
    let began = Instant::now();
    pair.redis.kill_9();
    pair.readiness_is(503, began).await;
    assert_eq!(crate::client::refused(&pair.one.address, "/ws/bob").await, 503);
    is_refused(&mut ada, "chat_message", json!({ "room": "rust", "text": "lost" })).await;
    pair.redis.restart();
    let back = Instant::now();
    pair.readiness_is(200, back).await;
    pair.one.connect("bob").await;
    assert_eq!(post(&pair.other.address, "/api/room/rust/message?user_id=bot&text=hi").await.status, 200);
    assert_eq!(ada.until("chat_message").await["text"], "hi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_while_redis_is_away_still_goes_in_good_order() {
    let pair = Pair::start().await;
    let mut ada = pair.one.connect("ada").await;
    for room in ["rust", "go", "tea"] {
        ada.join(room).await;
    }
    pair.proxy.blackhole(Way::Both);
    let Pair { one, other, redis: _redis, proxy, .. } = pair;
    let began = Instant::now();
    let told = async {
        assert_eq!(ada.close_code().await, Some(1012));
        drop(ada);
    };
    let (code, ()) = tokio::join!(one.stop(), told);
    assert_eq!(code, Some(0));
    // The room is told by nobody, which takes the time of one answer, and so does the goodbye to the other servers.
    assert!(began.elapsed() < 2 * NOTICED, "{:?}", began.elapsed());
    proxy.pass();
    assert_eq!(other.stop().await, Some(0));
}

/// The logout has failed, so that the browser has to be able to ask again: its cookie stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_that_not_all_could_be_told_of_closes_here_and_can_be_made_again() {
    let pair = Pair::with(&[("CHAT_SECRET", SECRET)]).await;
    let cookie = sign_in(&pair.one.address, "ada").await;
    let mut here = enter(&pair.one.address, "ada", &cookie).await.unwrap();
    let mut there = enter(&pair.other.address, "ada", &cookie).await.unwrap();
    let headers = format!("Cookie: {cookie}\r\n");
    pair.redis.kill_9();
    let answer = request(&pair.one.address, "POST", "/logout", &headers, "").await;
    assert_eq!((answer.status, answer.json()["retryable"].as_bool()), (503, Some(true)));
    assert_eq!(answer.header("set-cookie"), None, "{}", answer.head);
    assert_eq!(close_code(&mut here).await, 4501);
    let back = Instant::now();
    pair.redis.restart();
    pair.readiness_is(200, back).await;
    let answer = request(&pair.one.address, "POST", "/logout", &headers, "").await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"), "{}", answer.head);
    assert_eq!(close_code(&mut there).await, 4501);
}
