//! One client of the chat over a real socket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::server::PATIENCE;

#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What the server answered instead of the upgrade.
pub async fn refused(address: &str, path: &str) -> u16 {
    status(open(address, path, None).await.expect_err("refused"))
}

fn status(error: Error) -> u16 {
    match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    }
}

async fn open(
    address: &str,
    path: &str,
    protocol: Option<&str>,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    if let Some(protocol) = protocol {
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    }
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    timeout(PATIENCE, connect_async_with_config(request, Some(config), true)).await.unwrap().map(|(socket, _)| socket)
}

impl Client {
    /// Connects, and takes the welcome.
    pub async fn connect(address: &str, user: &str) -> Self {
        let mut client = Self { socket: open(address, &format!("/ws/{user}"), None).await.unwrap() };
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        client
    }

    /// Connects, or tells what the server answered instead.
    pub async fn try_connect(address: &str, user: &str) -> Result<Self, u16> {
        let socket = open(address, &format!("/ws/{user}"), None).await.map_err(status)?;
        let mut client = Self { socket };
        client.expect("welcome").await;
        Ok(client)
    }

    pub async fn connect_with(address: &str, user: &str, protocol: &str) -> Self {
        let mut client = Self { socket: open(address, &format!("/ws/{user}"), Some(protocol)).await.unwrap() };
        client.expect("welcome").await;
        client
    }

    pub async fn send(&mut self, name: &str, data: Value) {
        self.send_text(&json!({ "type": name, "data": data }).to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, data: &[u8]) {
        self.socket.send(Message::binary(data.to_vec())).await.unwrap();
    }

    async fn frame(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a frame in time")? {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(frame) => return Some(frame),
                Err(_) => return None,
            }
        }
    }

    /// The next message, whatever it is.
    pub async fn next(&mut self) -> Value {
        match self.frame().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message was expected, and this came: {other:?}"),
        }
    }

    /// The next message, which must be of this type; its data.
    pub async fn expect(&mut self, name: &str) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], name, "{message}");
        message["data"].take()
    }

    /// The data of the next message of this type, whatever comes before.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let mut message = self.next().await;
            if message["type"] == name {
                return message["data"].take();
            }
            assert_ne!(message["type"], "error", "waiting for {name}: {message}");
        }
    }

    /// The data of the next error, whatever comes before.
    pub async fn until_error(&mut self) -> Value {
        loop {
            let mut message = self.next().await;
            if message["type"] == "error" {
                return message["data"].take();
            }
        }
    }

    /// The code of the next error.
    pub async fn refusal(&mut self) -> String {
        self.until_error().await["error_code"].as_str().unwrap().to_owned()
    }

    pub async fn join(&mut self, room: &str) {
        self.send("join_room", json!({ "room": room })).await;
        assert_eq!(self.until("room_joined").await["room"], room);
        assert_eq!(self.expect("room_info").await["room"], room);
        assert_eq!(self.expect("user_joined_room").await["room"], room);
    }

    /// Everything that was sent to this client has arrived: whatever comes before the answer to a ping is
    /// returned.
    pub async fn settle(&mut self) -> Vec<Value> {
        self.send_text(r#"{"type":"ping","id":"settle"}"#).await;
        let mut before = Vec::new();
        loop {
            let message = self.next().await;
            if message["re"] == "settle" {
                return before;
            }
            before.push(message);
        }
    }

    /// The code of the close frame, whatever comes before.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Message::Close(frame) = self.frame().await? {
                return frame.map(|frame| frame.code.into());
            }
        }
    }

    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
