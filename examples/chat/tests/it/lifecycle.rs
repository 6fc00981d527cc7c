//! Starting, ending, and starting again.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{Client, refused};
use super::http::get;
use super::server::{Folder, PATIENCE, Server, chat_with_files, fails};

#[tokio::test]
async fn sigterm_tells_clients_to_come_back_and_ends_with_0() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    let mut bob = Client::connect_with(&server.address, "bob", "channels.v1.json").await;
    let code = tokio::spawn(server.stop());
    assert_eq!(ada.close_code().await, Some(1012));
    let reconnect = bob.until("$reconnect").await;
    assert!(reconnect["after_ms"].is_u64(), "{reconnect}");
    assert_eq!(bob.close_code().await, Some(1012));
    assert_eq!(code.await.unwrap(), Some(0));
}

#[tokio::test]
async fn ctrl_c_ends_it_as_well() {
    let (server, _folder) = Server::start().await;
    let mut ada = server.connect("ada").await;
    let code = tokio::spawn(server.stop_by("INT"));
    assert_eq!(ada.close_code().await, Some(1012));
    assert_eq!(code.await.unwrap(), Some(0));
}

/// Two are closed a second apart; meanwhile the server says that it goes, lets nobody in, and works on.
#[tokio::test]
async fn while_clients_are_closed_one_by_one_the_chat_is_red_and_works_on() {
    let variables = [("WS_RECONNECT_RATE", "1"), ("WS_DRAIN_OVER", "3s")];
    let (server, _folder) = Server::with(&variables).await;
    let address = server.address.clone();
    let mut clients = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let mut client = server.connect(user).await;
        client.join("rust").await;
        clients.push(client);
    }
    let code = tokio::spawn(server.stop());
    // Whoever is closed first: the other two are still there.
    while get(&address, "/readyz").await.status != 503 {}
    assert_eq!(refused(&address, "/ws/late").await, 503);
    let here = get(&address, "/api/status").await.json();
    assert!(here["connections"].as_u64().unwrap() >= 1, "{here}");
    for client in &mut clients {
        assert_eq!(client.close_code().await, Some(1012));
    }
    assert_eq!(code.await.unwrap(), Some(0));
}

/// Ada hears that she is closed and does not answer. Nobody meanwhile is left to guess from a refused connection.
#[tokio::test]
async fn while_one_client_does_not_answer_the_close_frame_the_chat_is_red() {
    let (server, _folder) = Server::start().await;
    let address = server.address.clone();
    let mut ada = server.connect("ada").await;
    let code = tokio::spawn(server.stop());
    while get(&address, "/readyz").await.status != 503 {}
    let red = Instant::now();
    while red.elapsed() < Duration::from_millis(500) {
        assert_eq!(get(&address, "/readyz").await.status, 503);
        assert_eq!(refused(&address, "/ws/late").await, 503);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(code.await.unwrap(), Some(0));
    let held = red.elapsed();
    assert!(held < Duration::from_millis(4500), "one silent client held it for {held:?}");
    assert_eq!(ada.close_code().await, Some(1012));
}

#[tokio::test]
async fn a_signal_right_after_its_first_words_is_not_missed() {
    for _ in 0..5 {
        let (server, _folder) = Server::start().await;
        assert_eq!(server.stop().await, Some(0));
    }
}

#[tokio::test]
async fn half_a_head_does_not_keep_the_server() {
    let (server, _folder) = Server::with(&[("WS_DRAIN_TIMEOUT", "500ms")]).await;
    let mut half = TcpStream::connect(&server.address).await.unwrap();
    half.write_all(b"GET /ws/half HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(get(&server.address, "/healthz").await.status, 200);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn what_was_said_is_there_after_a_restart() {
    let folder = Folder::new();
    let server = Server::start_in(&folder, &[]).await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    ada.send("chat_message", json!({ "room": "rust", "text": "remember" })).await;
    ada.expect("chat_message").await;
    assert_eq!(server.stop().await, Some(0));
    let server = Server::start_in(&folder, &[]).await;
    let history = get(&server.address, "/api/rooms/rust/messages").await.json();
    assert_eq!(history["messages"][0]["text"], "remember");
}

#[tokio::test]
async fn two_chats_share_one_database() {
    let folder = Folder::new();
    let url = format!("sqlite://{}?mode=rwc", folder.0.join("shared.db").display());
    let shared = [("DATABASE_URL", url.as_str())];
    // At once: both find a file without a schema.
    let (one, other) = tokio::join!(Server::start_in(&folder, &shared), Server::start_in(&folder, &shared));
    let mut ada = one.connect("ada").await;
    ada.join("rust").await;
    ada.send("chat_message", json!({ "room": "rust", "text": "here" })).await;
    ada.expect("chat_message").await;
    let history = get(&other.address, "/api/rooms/rust/messages").await.json();
    assert_eq!(history["messages"][0]["text"], "here");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_message_and_ends_with_1() {
    let (code, said) = fails(&[("WS_HEARTBEAT_INTERVAL", "soon")]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("WS_HEARTBEAT_INTERVAL") && said.contains("soon"), "{said}");
    let (code, said) = fails(&[("DATABASE_URL", "postgres://x")]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("postgres://x") && said.contains("sqlite://"), "{said}");
    let (server, _folder) = Server::start().await;
    let port = server.address.rsplit(':').next().unwrap();
    let (code, said) = fails(&[("PORT", port)]).await;
    assert_eq!((code, said.contains("cannot listen")), (Some(1), true), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn an_unknown_variable_is_warned_about() {
    let folder = Folder::new();
    let mut child = super::server::chat(&folder).env("WS_HEARTBEET_INTERVAL", "1").spawn().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
    let line = tokio::time::timeout(super::server::PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("WS_HEARTBEET_INTERVAL") && line.contains("WS_HEARTBEAT_INTERVAL"), "{line}");
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let (server, _folder) = Server::with(&[("WS_DRAIN_TIMEOUT", "500ms")]).await;
    let mut half = TcpStream::connect(&server.address).await.unwrap();
    let head = "POST /api/group/g/message HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    half.write_all(head.as_bytes()).await.unwrap();
    // Answered after the half request was read, as both go to one listener in order.
    assert_eq!(get(&server.address, "/healthz").await.status, 200);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn without_any_time_to_drain_clients_are_still_told_why() {
    let (server, _folder) = Server::with(&[("WS_DRAIN_TIMEOUT", "0")]).await;
    let mut ada = server.connect("ada").await;
    let code = tokio::spawn(server.stop());
    assert_eq!(ada.close_code().await, Some(1012));
    assert_eq!(code.await.unwrap(), Some(0));
}

#[tokio::test]
async fn who_answers_no_ping_is_closed_with_4408_and_who_does_stays() {
    let variables = [("WS_HEARTBEAT_INTERVAL", "200ms"), ("WS_HEARTBEAT_TIMEOUT", "1s")];
    let (server, _folder) = Server::with(&variables).await;
    let (mut ada, mut bob) = (server.connect("ada").await, server.connect("bob").await);
    let bob_is_gone = async {
        while get(&server.address, "/api/status").await.json()["connections"] != json!(1) {
            tokio::task::yield_now().await;
        }
    };
    // Whoever reads answers pings; Bob, whom nobody polls, does not.
    tokio::select! {
        code = ada.close_code() => panic!("closed with {code:?}"),
        () = bob_is_gone => {}
    }
    assert_eq!(bob.close_code().await, Some(4408));
    assert!(ada.settle().await.is_empty());
}

#[tokio::test]
async fn a_chat_that_can_accept_nobody_says_so() {
    const FILES: usize = 64;
    let folder = Folder::new();
    let server = Server::logging(&mut chat_with_files(FILES, &folder), &folder).await;
    let mut sockets = Vec::new();
    for _ in 0..FILES {
        sockets.push(TcpStream::connect(&server.address).await.unwrap());
    }
    let began = Instant::now();
    while !std::fs::read_to_string(folder.log()).unwrap().contains("accept error") {
        assert!(began.elapsed() < PATIENCE, "nothing is said");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // With room again it goes on.
    drop(sockets);
    assert_eq!(get(&server.address, "/healthz").await.status, 200);
}
