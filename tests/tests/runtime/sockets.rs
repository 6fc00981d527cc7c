//! Over real sockets: upgrades, negotiation, closes, and a shutdown.

use std::time::Duration;

use channels::ClosedBy;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket::{self, Socket};
use futures_util::SinkExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn a_client_sends_receives_and_leaves() {
    let stage = Stage::new(World::default());
    let server = socket::serve(&stage).await;
    let mut ada = server.connect("ada").await;
    assert_eq!(
        ada.request("echo", json!({"text": "é🦀"})).await,
        json!({"type": "said", "data": {"text": "é🦀"}, "re": "echo"})
    );
    ada.send(Message::Ping("p".into())).await;
    assert_eq!(ada.request("quiet", json!({})).await, json!({"type": "$ok", "re": "quiet"}));
    ada.0.close(Some(CloseFrame { code: 1000.into(), reason: "bye".into() })).await.unwrap();
    while let Some(Ok(_)) = ada.next().await {}
    stage.until(|world| world.ends().len() == 1).await;
    stage.empty().await;
    let end = &stage.world.ends()[0];
    assert_eq!((end.code, end.by, end.clean), (1000, ClosedBy::Client, true));
    server.stop().await;
}

#[tokio::test]
async fn a_reset_is_a_loss() {
    let stage = Stage::new(World::default());
    let server = socket::serve(&stage).await;
    let ada = server.connect("ada").await;
    drop(ada);
    stage.until(|world| world.ends().len() == 1).await;
    assert_eq!((stage.world.ends()[0].code, stage.world.ends()[0].by), (1006, ClosedBy::Lost));
    stage.empty().await;
}

#[tokio::test]
async fn what_the_application_says_at_the_end_arrives() {
    let stage = Stage::new(World::default());
    let server = socket::serve(&stage).await;
    let mut ada = server.connect("ada").await;
    ada.send_json(&json!({"type": "close"})).await;
    assert_eq!(ada.closed().await, (4501, "enough".to_owned()));
    let mut bob = server.connect("bob").await;
    bob.send_json(&json!({"type": "fail", "data": {"how": "closing"}})).await;
    assert_eq!(bob.next_json().await["data"]["error_code"], "AUTHORIZATION_FAILED");
    assert_eq!(bob.closed().await, (1008, "Go.".to_owned()));
    stage.empty().await;
}

#[tokio::test]
async fn the_protocol_is_echoed_and_the_token_never() {
    let stage = Stage::new(World::default());
    let server = socket::serve(&stage).await;
    let offers = [
        ("bearer.c2VjcmV0, channels.v1.json", Some("channels.v1.json")),
        ("channels.v1.msgpack, channels.v1.json, bearer.c2VjcmV0", Some("channels.v1.msgpack")),
        ("bearer.c2VjcmV0", None),
        ("chat", None),
    ];
    for (offered, echoed) in offers {
        let mut request = server.url("ada").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET /ws/ada HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {offered}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(socket::soon("the response", stream.read_u8()).await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(!answer.contains("bearer") && !answer.contains("c2v"), "{answer}");
        let protocol = answer.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(protocol, echoed, "{offered}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_websockets_is_refused() {
    let stage = Stage::new(World::default());
    let server = socket::serve(&stage).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n";
    let requests = [
        ("GET /ws/ada", "".to_owned()),
        ("POST /ws/ada", upgrade.to_owned()),
        ("GET /ws/ada", upgrade.replace("13", "12")),
        ("GET /ws/ada", upgrade.replace("Sec-WebSocket-Key: x\r\n", "")),
        ("GET /ws/a%0ab", upgrade.to_owned()),
        ("GET /ws", upgrade.to_owned()),
    ];
    for (line, headers) in requests {
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        socket::soon("the response", stream.read_exact(&mut status)).await.unwrap();
        assert!(status.starts_with(b"HTTP/1.1 4"), "{line}: {}", String::from_utf8_lossy(&status));
    }
    assert_eq!(stage.layer.stats().connections_total, 0);
    stage.empty().await;
}

#[tokio::test]
async fn limits_refuse_before_the_upgrade() {
    let config = channels::Config::builder().max_connections_per_client(1).max_total_connections(2).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let server = socket::serve(&stage).await;
    let status = async |user: &str| match Socket::open(server.url(user)).await.map(drop).unwrap_err().as_ref() {
        Error::Http(response) => (response.status().as_u16(), response.headers().get("retry-after").is_some()),
        other => panic!("{other}"),
    };
    let _ada = server.connect("ada").await;
    assert_eq!(status("ada").await, (429, true));
    let _bob = server.connect("bob").await;
    assert_eq!(status("eve").await.0, 503);
    stage.layer.drain();
    assert_eq!(status("eve").await, (503, true));
}

#[tokio::test]
async fn what_is_not_taken_until_the_drains_deadline_is_counted() {
    let config = channels::Config::builder().outbox_bytes(64 << 20).drain_timeout(Duration::from_millis(200));
    let stage = Stage::with(World { groups: vec!["all"], ..World::default() }, config.build().unwrap());
    let server = socket::serve(&stage).await;
    let _slow = server.connect("slow").await;
    stage.until(|_| stage.layer.registry().group_len("all") == 1).await;
    // More than the buffers of any socket.
    for _ in 0..300 {
        let message = ServerMessage::Said(Text { text: "x".repeat(50_000) });
        stage.layer.send_to_group("all", message).await.unwrap();
    }
    let drained = stage.layer.drained().await;
    assert_eq!((drained.closed, drained.dropped), (1, 0), "its session has ended");
    assert!((1..300).contains(&drained.unsent), "{drained:?}");
    assert_eq!(stage.world.ends()[0].code, 1012);
}

#[tokio::test]
async fn a_shutdown_closes_with_1012_and_ends() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let server = socket::serve(&stage).await;
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = server.connect(&format!("user-{number}")).await;
        assert_eq!(client.request("quiet", json!({})).await["type"], "$ok");
        clients.push(client);
    }
    let reading = tokio::spawn(async move {
        for client in &mut clients {
            assert_eq!(client.closed().await.0, 1012);
            let _ = client.0.flush().await;
        }
    });
    server.stop().await;
    reading.await.unwrap();
    assert_eq!(stage.world.ends().len(), 20);
    assert!(stage.world.ends().iter().all(|end| end.code == 1012 && end.groups == ["all"]));
    stage.empty().await;
}
