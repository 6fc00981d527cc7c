//! One command starts two chats that hear each other, and Ctrl-C or SIGTERM ends them with their Redis.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn until(socket: &mut Socket, words: &str) {
    let told = async {
        loop {
            let message = socket.next().await.unwrap().unwrap();
            if message.to_text().is_ok_and(|text| text.contains(words)) {
                return;
            }
        }
    };
    timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{words} never came"));
}

#[tokio::test]
async fn two_people_on_two_ports_read_each_other_and_ctrl_c_or_sigterm_ends_everything() {
    for signal in ["INT", "TERM"] {
        read_each_other_until(signal).await;
    }
}

async fn read_each_other_until(signal: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_two-servers"));
    command.env_remove("REDIS_URL").env("PORT", "0").env("RUST_LOG", "error");
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sockets = Vec::new();
    for user in ["ada", "bob"] {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let address = line.strip_prefix("A chat is on http://").unwrap();
        let (mut socket, _) = connect_async(format!("ws://{address}/ws/{user}")).await.unwrap();
        socket.send(Message::text(r#"{"type":"join_room","data":{"room":"rust"}}"#)).await.unwrap();
        until(&mut socket, "user_joined_room").await;
        sockets.push(socket);
    }
    assert!(lines.next_line().await.unwrap().unwrap().contains("a Redis of their own"));
    for (from, text) in ["hello from one", "hello from the other"].into_iter().enumerate() {
        let say = format!(r#"{{"type":"chat_message","data":{{"room":"rust","text":"{text}"}}}}"#);
        sockets[from].send(Message::text(say)).await.unwrap();
        for socket in &mut sockets {
            until(socket, text).await;
        }
    }
    drop(sockets);
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().await.unwrap().success());
    assert_eq!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code(), Some(0));
}

/// A Redis that never answers holds the start up; Ctrl-C meanwhile ends it too.
#[tokio::test]
async fn ctrl_c_while_they_start_leaves_no_redis_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (program, told) = (folder.path().join("redis-server"), folder.path().join("id"));
    let script = format!("#!/bin/sh\necho $$ > {0}.new && mv {0}.new {0}\nexec sleep 600\n", told.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_two-servers"));
    command.env_remove("REDIS_URL").env("PORT", "0").env("PATH", path);
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let redis = async {
        loop {
            if let Ok(id) = fs::read_to_string(&told) {
                return id.trim().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let redis = timeout(PATIENCE, redis).await.expect("it is started");
    let signal = async |signal: &str, id: &str| {
        Command::new("kill").args(["-s", signal, id]).stderr(Stdio::null()).status().await.unwrap().success()
    };
    assert!(signal("0", &redis).await, "it runs");
    assert!(signal("INT", &child.id().unwrap().to_string()).await);
    assert_eq!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code(), Some(0));
    assert!(!signal("0", &redis).await, "it is left behind");
}
