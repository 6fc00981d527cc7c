//! TLS: the contract over `wss://`, and handshakes that go wrong.

mod handshakes;

use std::net::SocketAddr;

use axum::Router;
use axum::serve::Listener;
use channels::prelude::*;
use channels::tls::TlsListener;
use channels_tests::certificate::Certificate;
use channels_tests::contract;
use channels_tests::probe::{Stage, Text};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

struct Tls {
    address: SocketAddr,
    certificate: Certificate,
    running: Running,
}

impl Transport for Tls {
    type Stream = TlsStream<TcpStream>;

    async fn serve(stage: &Stage) -> Self {
        let certificate = Certificate::new(&["http/1.1"]);
        let listener = TlsListener::bind("127.0.0.1:0", certificate.server.clone()).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, certificate, running: Running::start(stage, listener, app(stage)) }
    }

    async fn connect(&self, path: &str) -> Socket<Self::Stream> {
        connect(&self.certificate, self.address, path).await
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

async fn connect(certificate: &Certificate, address: SocketAddr, path: &str) -> Socket<TlsStream<TcpStream>> {
    let tcp = soon("connecting", TcpStream::connect(address)).await.unwrap();
    let tls = certificate.connect(tcp).await.unwrap();
    Socket::over(tls, format!("wss://localhost{path}")).await.unwrap()
}

contract!(Tls);

#[derive(Debug, Incoming)]
enum Ask {
    Once,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Said(Text),
}

#[derive(Default)]
struct Strict;

#[consumer(incoming = Ask, outgoing = Tell)]
impl Strict {
    #[on("once")]
    #[rate_limit(1, per = "1h", by = ip)]
    fn once(&self, conn: Connection) -> Text {
        Text { text: conn.ip().map(|ip| ip.to_string()).unwrap_or_default() }
    }
}

#[tokio::test]
async fn limits_by_address_see_the_clients() {
    let certificate = Certificate::new(&[]);
    let listener = TlsListener::bind("127.0.0.1:0", certificate.server.clone()).await.unwrap().with_connect_info();
    let address = listener.local_addr().unwrap();
    let app: Router = Router::new().route("/", ChannelLayer::memory().serve::<Strict>().into_route_with_connect_info());
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let mut first = connect(&certificate, address, "/").await;
    assert_eq!(first.request("once", json!({})).await["data"]["text"], "127.0.0.1");
    let mut second = connect(&certificate, address, "/").await;
    assert_eq!(second.request("once", json!({})).await["data"]["error_code"], "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_frame_is_not_held_back_until_the_one_before_it_was_acknowledged() {
    let certificate = Certificate::new(&[]);
    let mut listener = TlsListener::bind("127.0.0.1:0", certificate.server.clone()).await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (client, (stream, address)) = tokio::join!(certificate.connect(tcp), soon("a client", listener.accept()));
    assert!(stream.get_ref().0.nodelay().unwrap());
    assert_eq!(address, client.unwrap().get_ref().0.local_addr().unwrap());
}

#[test]
fn the_readme_shows_what_the_documentation_compiles() {
    let (_, after) = include_str!("../../../../README.md").split_once("## TLS").unwrap();
    let example = after.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(example.lines().count(), 5);
    for line in example.lines() {
        assert!(include_str!("../../../../channels/src/tls/mod.rs").contains(&format!("//! {line}\n")), "{line}");
    }
}
