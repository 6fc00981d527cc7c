//! Plain TCP: the transport that most connections use.

use channels_tests::contract;
use channels_tests::probe::Stage;
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
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
