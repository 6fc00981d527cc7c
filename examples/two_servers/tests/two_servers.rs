//! One command starts two chats that hear each other, and Ctrl-C or SIGTERM ends them with their Redis.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

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
