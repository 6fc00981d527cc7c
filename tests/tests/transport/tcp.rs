//! Plain TCP: the transport that most connections use.

use std::time::Duration;

use channels::Config;
use channels_tests::contract;
use channels_tests::probe::{Stage, World};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

struct Tcp {
    address: std::net::SocketAddr,
    running: Running,
}

impl Transport for Tcp {
    type Stream = TcpStream;

    async fn serve(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), running: Running::start(stage, listener, app(stage)) }
    }

    async fn connect(&self, path: &str) -> Socket<TcpStream> {
        let stream = soon("connecting", TcpStream::connect(self.address)).await.unwrap();
        Socket::over(stream, format!("ws://localhost{path}")).await.unwrap()
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

contract!(Tcp);

/// At the drain's deadline a handler is dropped where it is; its client learns why all the same, and gets what it was sent.
#[tokio::test]
async fn who_is_dropped_at_the_deadline_is_told() {
    let config = Config::builder().drain_timeout(Duration::from_millis(200)).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let server = Tcp::serve(&stage).await;
    let mut ada = server.connect("/ws/ada").await;
    ada.send_json(&json!({"type": "hang", "data": {}})).await;
    stage.until(|world| world.entered() == 1).await;
    stage.layer.drain();
    assert_eq!(ada.closed().await.0, 1012);
    stage.layer.drained().await;
}
