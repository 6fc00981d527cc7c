//! WebSockets over HTTP/2 (RFC 8441), where `axum::serve` finds out by itself what is spoken.

use std::net::SocketAddr;

use axum::http::{Method, Request};
use channels::tls::TlsListener;
use channels_tests::certificate::Certificate;
use channels_tests::contract;
use channels_tests::http2::{Http2, Http2Stream, extended_connect};
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
use h2::Reason;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

struct Cleartext {
    address: SocketAddr,
    running: Running,
}

impl Cleartext {
    async fn open(&self) -> Http2 {
        let stream = soon("connecting", TcpStream::connect(self.address)).await.unwrap();
        Http2::over(stream).await
    }
}

impl Transport for Cleartext {
    type Stream = Http2Stream;

    async fn serve(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), running: Running::start(stage, listener, app(stage)) }
    }

    async fn connect(&self, path: &str) -> Socket<Http2Stream> {
        self.open().await.connect(path).await
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

contract!(Cleartext);

#[tokio::test]
async fn one_connection_carries_many_and_one_that_is_not_read_delays_no_other() {
    let config = channels::Config::builder().outbox_messages(16).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = Cleartext::serve(&stage).await;
    let connection = server.open().await;
    let mut clients = Vec::new();
    for number in 0..10 {
        clients.push(connection.connect(&format!("/ws/user-{number}")).await);
    }
    let mut slow = connection.connect("/ws/slow").await;
    stage.until(|_| stage.layer.registry().group_len("room") == 11).await;
    while stage.layer.stats().dropped == 0 {
        let message = ServerMessage::Said(Text { text: "x".repeat(10_000) });
        stage.layer.send_to_group("room", message).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.next_json().await["type"], "said");
        }
    }
    assert_eq!(slow.closed().await.0, 4413);
    for client in &mut clients {
        assert_eq!(client.request("quiet", json!({})).await["type"], "$ok");
    }
}

#[tokio::test]
async fn a_reset_stream_is_a_loss_and_its_neighbours_live() {
    let stage = Stage::new(World { groups: vec!["room"], ..World::default() });
    let server = Cleartext::serve(&stage).await;
    let connection = server.open().await;
    let mut ada = connection.connect("/ws/ada").await;
    for (ends, reason) in [Reason::CANCEL, Reason::INTERNAL_ERROR].into_iter().enumerate() {
        let mut bob = connection.connect("/ws/bob").await;
        bob.request("quiet", json!({})).await;
        bob.0.get_mut().reset(reason);
        stage.until(|world| world.ends().len() == ends + 1).await;
        assert_eq!(stage.world.ends()[ends].code, 1006);
        assert_eq!(ada.request("quiet", json!({})).await["type"], "$ok");
    }
    drop(ada);
    stage.empty().await;
}

#[tokio::test]
async fn a_lost_connection_loses_all_its_streams() {
    let stage = Stage::new(World::default());
    let server = Cleartext::serve(&stage).await;
    let (near, far) = tokio::io::duplex(1 << 16);
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let cable = tokio::spawn(async move {
        let (mut far, mut tcp) = (far, tcp);
        tokio::io::copy_bidirectional(&mut far, &mut tcp).await
    });
    let connection = Http2::over(near).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = connection.connect("/ws/ada").await;
        client.request("quiet", json!({})).await;
        clients.push(client);
    }
    cable.abort();
    stage.until(|world| world.ends().len() == 3).await;
    assert!(stage.world.ends().iter().all(|end| end.code == 1006));
    stage.empty().await;
}

#[tokio::test]
async fn a_request_that_is_no_websockets_is_refused() {
    let stage = Stage::new(World::default());
    let server = Cleartext::serve(&stage).await;
    let connection = server.open().await;
    let plain = |method| Request::builder().method(method).uri("http://localhost/ws/ada").body(()).unwrap();
    let mut no_version = extended_connect("/ws/ada", "websocket");
    no_version.headers_mut().remove("sec-websocket-version");
    let mut old = extended_connect("/ws/ada", "websocket");
    old.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
    let requests = [
        plain(Method::GET),
        plain(Method::POST),
        extended_connect("/ws/ada", "connect-udp"),
        extended_connect("/ws/a%0ab", "websocket"),
        extended_connect("/ws", "websocket"),
        no_version,
        old,
    ];
    for request in requests {
        let told = format!("{request:?}");
        let status = connection.status(request).await;
        assert!(status.is_client_error(), "{status}: {told}");
    }
    assert_eq!(stage.layer.stats().connections_total, 0);
    // And the connection is as good as before.
    assert_eq!(connection.connect("/ws/ada").await.request("quiet", json!({})).await["type"], "$ok");
}

#[tokio::test]
async fn the_protocol_is_negotiated() {
    let stage = Stage::new(World::default());
    let server = Cleartext::serve(&stage).await;
    let connection = server.open().await;
    let (_stream, headers) = connection.stream("/ws/ada", Some("bearer.c2VjcmV0, channels.v1.json")).await;
    assert_eq!(headers.get("sec-websocket-protocol").unwrap(), "channels.v1.json");
    assert!(headers.get("sec-websocket-accept").is_none() && headers.get("upgrade").is_none(), "{headers:?}");
}

#[tokio::test]
async fn after_both_closes_the_stream_ends_and_the_connection_stays() {
    let stage = Stage::new(World::default());
    let server = Cleartext::serve(&stage).await;
    let connection = server.open().await;
    let mut ada = connection.connect("/ws/ada").await;
    ada.0.close(None).await.unwrap();
    while let Some(Ok(_)) = ada.next().await {}
    let mut rest = Vec::new();
    soon("the end of the stream", ada.0.get_mut().read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    stage.empty().await;
    assert_eq!(connection.connect("/ws/ada").await.request("quiet", json!({})).await["type"], "$ok");
}

#[tokio::test]
async fn over_tls_alpn_chooses_it() {
    let stage = Stage::new(World::default());
    let certificate = Certificate::new(&["h2", "http/1.1"]);
    let listener = TlsListener::bind("127.0.0.1:0", certificate.server.clone()).await.unwrap();
    let address = axum::serve::Listener::local_addr(&listener).unwrap();
    let server = Running::start(&stage, listener, app(&stage));
    let tls = certificate.connect(TcpStream::connect(address).await.unwrap()).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connection = Http2::over(tls).await;
    let mut clients = [connection.connect("/ws/ada").await, connection.connect("/ws/bob").await];
    for client in &mut clients {
        assert_eq!(client.request("echo", json!({"text": "é🦀"})).await["data"]["text"], "é🦀");
    }
    let reading = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(client.closed().await.0, 1012);
            while client.next().await.is_some_and(|next| next.is_ok()) {}
        }
    });
    server.stop().await;
    reading.await.unwrap();
}
