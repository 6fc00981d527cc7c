//! `send` reaches the members on all servers, `status` counts them.

use channels_tests::redis::{RedisServer, eventually};
use serde_json::{Value, json};

use crate::command::{member, named_server, received, run, run_with_input, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_the_members_on_all_servers_and_nobody_else() {
    let redis = RedisServer::start();
    let (one, other) = (server(&redis).await, server(&redis).await);
    let mut ada = member(&one, "ada", "rust").await;
    let mut bob = member(&other, "bob", "rust & co").await;
    let mut eve = member(&other, "eve", "rust").await;
    let url = redis.url();
    let data = r#"{"message": "Lunch", "price": 1.50}"#;
    let sent = run(&url, &["send", "--group", "rust", "--type", "announcement", "--data", data]);
    assert_eq!(sent, (0, "sent to the group \"rust\"; 2 servers have it\n".into(), String::new()));
    let announcement = ("announcement".to_owned(), json!({ "message": "Lunch", "price": 1.5 }));
    assert_eq!(received(&mut ada).await, announcement);
    assert_eq!(received(&mut eve).await, announcement);
    let sent = run(&url, &["send", "--user", "ada", "--type", "hint"]);
    assert_eq!(sent, (0, "sent to the user \"ada\"; 1 server has it\n".into(), String::new()));
    assert_eq!(received(&mut ada).await, ("hint".to_owned(), Value::Null));
    let sent = run_with_input(&url, &["send", "--all", "--type", "bye", "--data", "-"], "[1,\n 2]\n");
    assert_eq!(sent, (0, "sent to everybody; 2 servers have it\n".into(), String::new()));
    for client in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(received(client).await, ("bye".to_owned(), json!([1, 2])));
    }
    let (code, told, _) = run(&url, &["send", "--group", "nobody", "--type", "x"]);
    assert_eq!((code, told.contains("no server has it")), (0, true), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_counts_all_servers_and_is_none() {
    let redis = RedisServer::start();
    let (one, other) = (named_server(&redis, "berlin").await, named_server(&redis, "\"oslo\"").await);
    let _clients =
        (member(&one, "ada", "rust").await, member(&other, "ada", "rust").await, member(&other, "bob", "rust").await);
    let wanted = json!({
        "servers": 2, "connections": 3, "users": 2, "redis": { "connected": true, "reason": null },
        "each": [
            { "name": "\"oslo\"", "connections": 2, "draining": false },
            { "name": "berlin", "connections": 1, "draining": false },
        ],
    });
    eventually("the numbers", || {
        let (code, status, said) = run(&redis.url(), &["status", "--json"]);
        assert_eq!((code, said.as_str()), (0, ""), "{said}");
        let mut status: Value = serde_json::from_str(&status).unwrap();
        for server in status["each"].as_array_mut().unwrap() {
            assert!(server.as_object_mut().unwrap().remove("id").is_some_and(|id| id.is_string()));
        }
        (status == wanted).then_some(())
    })
    .await;
    let (code, status, _) = run(&redis.url(), &["status"]);
    assert_eq!(code, 0);
    let each = "server       \\\"oslo\\\": 2 connections\nserver       berlin: 1 connection\n";
    assert_eq!(status, format!("servers      2\nconnections  3\nusers        2\nredis        connected\n{each}"));
    // Another prefix is another application.
    let output = crate::command::channels(&redis.url()).env("REDIS_CHANNEL_PREFIX", "x:").args(["status"]).output();
    let (code, status, _) = crate::command::read(&output.unwrap());
    assert_eq!((code, status.contains("servers      0")), (0, true), "{status}");
}
