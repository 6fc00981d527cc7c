//! A server on a port of its own, and clients with real sockets.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::probe::{Probe, Stage};

/// How long anything may take over a socket on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Serves the probe of a stage as `/ws/{user}`.
pub async fn serve(stage: &Stage) -> Server {
    let route = stage.layer.serve::<Probe>().into_route();
    serve_app(stage, Router::new().route("/ws/{user}", route).with_state(Arc::clone(&stage.world))).await
}

/// Serves any application, until its layer is drained.
pub async fn serve_app(stage: &Stage, app: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Server { address, running: Running::start(stage, listener, app) }
}

pub struct Server {
    pub address: SocketAddr,
    running: Running,
}

impl Server {
    pub fn url(&self, user: &str) -> String {
        format!("ws://{}/ws/{user}", self.address)
    }

    pub async fn connect(&self, user: &str) -> Socket {
        Socket::open(self.url(user)).await.unwrap()
    }

    /// Ends it as a program would.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// An application on a listener of any kind, until its layer is drained.
pub struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start<L>(stage: &Stage, listener: L, app: Router) -> Self
    where
        L: Listener,
        L::Addr: Debug,
    {
        let layer = stage.layer.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(stopped)).await.unwrap();
            layer.drained().await;
        });
        Self { stop, task }
    }

    /// Ends it as a program would.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        soon("the server ends", self.task).await.unwrap();
    }
}

/// What a test sends is its own affair: only the server has limits.
fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

/// One client.
pub struct Socket<S = MaybeTlsStream<TcpStream>>(pub WebSocketStream<S>);

impl Socket {
    pub async fn open(request: impl IntoClientRequest + Unpin) -> Result<Self, Box<Error>> {
        let opening = tokio_tungstenite::connect_async_with_config(request, Some(unlimited()), true);
        Ok(Self(soon("connecting", opening).await.map_err(Box::new)?.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Over a stream of any kind, by an upgrade of HTTP/1.1.
    pub async fn over(stream: S, request: impl IntoClientRequest + Unpin) -> Result<Self, Box<Error>> {
        let opening = tokio_tungstenite::client_async_with_config(request, stream, Some(unlimited()));
        Ok(Self(soon("the upgrade", opening).await.map_err(Box::new)?.0))
    }

    /// Over a stream that carries nothing but frames.
    pub async fn upgraded(stream: S) -> Self {
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, Some(unlimited())).await)
    }

    pub async fn send(&mut self, message: Message) {
        soon("sending", self.0.send(message)).await.unwrap();
    }

    pub async fn send_json(&mut self, json: &Value) {
        self.send(Message::text(json.to_string())).await;
    }

    pub async fn request(&mut self, name: &str, data: Value) -> Value {
        self.send_json(&json!({"type": name, "data": data, "id": name})).await;
        self.next_json().await
    }

    /// The next message; pings are left out.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        loop {
            match soon("receiving", self.0.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    }

    pub async fn next_json(&mut self) -> Value {
        match self.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no message came: {other:?}"),
        }
    }

    /// The code and reason of the close frame; other messages before it are thrown away.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.as_str().to_owned()),
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {}
                other => panic!("no close frame came: {other:?}"),
            }
        }
    }
}
