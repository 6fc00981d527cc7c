//! Requests that have to be taken (RFC 6455, 4.2), and what their answer says.

use channels::Config;
use channels_tests::frame::{Frame, join};
use channels_tests::socket::soon;
use channels_tests::wire::{Head, Heard, Wire};
use futures_util::future::join_all;

use crate::case::WHOLE;
use crate::house::House;
use crate::talk::request;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn answer(house: &House, request: &[u8], chop: usize) -> Result<(Head, Wire), String> {
    let mut wire = Wire::connect(house.address).await.unwrap();
    wire.write(request, chop).await;
    Ok((soon("the response", wire.head()).await?, wire))
}

/// Whether it is an upgrade, and works.
async fn taken(house: &House, request: &[u8], chop: usize) -> Result<Head, String> {
    let (head, mut wire) = answer(house, request, chop).await?;
    if head.status != 101 {
        return Err(format!("the status {}", head.status));
    }
    wire.write(&Frame::text("hello").bytes(), WHOLE).await;
    match soon("the echo", wire.hear()).await? {
        Heard::Text(text) if text == b"hello" => Ok(head),
        heard => Err(format!("{heard:?}")),
    }
}

/// Each of the requests is an upgrade; names all that are not.
async fn all_taken(house: &House, requests: impl IntoIterator<Item = String>) {
    let answers = join_all(requests.into_iter().map(async |request| {
        let taken = taken(house, request.as_bytes(), WHOLE).await;
        taken.err().map(|why| format!("{why} for {request:?}"))
    }));
    let wrong: Vec<String> = answers.await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} are refused:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_answer_says_what_it_has_to_and_no_more() {
    let house = House::open().await;
    let head = taken(&house, &request(""), WHOLE).await.unwrap();
    let token = |name| head.get(name).map(str::to_ascii_lowercase);
    assert_eq!(token("upgrade").as_deref(), Some("websocket"));
    assert_eq!(token("connection").as_deref(), Some("upgrade"));
    assert_eq!(head.all("sec-websocket-accept").count(), 1);
    // What was not asked for may not be agreed on.
    for name in ["sec-websocket-protocol", "sec-websocket-extensions", "content-length", "transfer-encoding"] {
        assert_eq!(head.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn names_and_tokens_are_taken_in_any_case_and_any_list() {
    let house = House::open().await;
    let plain = String::from_utf8(request("")).unwrap();
    let connections = [
        "connection: upgrade",
        "CONNECTION: UPGRADE",
        "Connection: keep-alive, Upgrade",
        "Connection: Upgrade, keep-alive",
        "Connection: keep-alive,upgrade",
        "Connection:Upgrade",
        "Connection:\t keep-alive \t,\t UPgrade \t",
        "Connection: keep-alive, , Upgrade,",
        "Connection: keep-alive\r\nConnection: Upgrade",
        "Connection: Upgrade\r\nConnection: keep-alive",
    ];
    let upgrades = ["upgrade: WebSocket", "UPGRADE: WEBSOCKET", "Upgrade:websocket", "Upgrade: \twebSocket\t "];
    // A list of protocols, as HTTP has it, of which this is one.
    let lists = ["Upgrade: websocket, h2c", "Upgrade: h2c, websocket", "Upgrade: h2c\r\nUpgrade: websocket"];
    let versions = ["sec-websocket-version: 13", "SEC-WEBSOCKET-VERSION:13", "Sec-WebSocket-Version: \t13 "];
    // All of it in small letters, but for what they would change.
    let small = plain.to_ascii_lowercase().replace("get /ws http", "GET /ws HTTP");
    let small = small.replace(&KEY.to_ascii_lowercase(), &KEY.replace("Sec-WebSocket-Key", "sec-websocket-key"));
    let requests = [plain.clone(), small]
        .into_iter()
        .chain(connections.map(|line| plain.replace("Connection: Upgrade", line)))
        .chain(upgrades.into_iter().chain(lists).map(|line| plain.replace("Upgrade: websocket", line)))
        .chain(versions.map(|line| plain.replace("Sec-WebSocket-Version: 13", line)))
        .chain([plain.replace(KEY, &KEY.replace("Sec-WebSocket-Key", "SEC-WEBSOCKET-KEY"))]);
    all_taken(&house, requests).await;
}

#[tokio::test]
async fn what_has_no_meaning_here_is_ignored() {
    let house = House::open().await;
    let lines = [
        "Origin: http://localhost\r\n",
        "User-Agent: somebody\r\nCookie: a=b; c=d\r\nX-Any: thing\r\n",
        "Sec-WebSocket-Protocol: chat, superchat\r\n",
        "Sec-WebSocket-Extensions: x-nobody-knows; parameter=1, bbf-usp-protocol\r\n",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Content-Length: 0\r\n",
    ];
    all_taken(&house, lines.map(|line| String::from_utf8(request(line)).unwrap())).await;
    let query = String::from_utf8(request("")).unwrap().replace("/ws", "/ws?token=%20&x=/ws/");
    all_taken(&house, [query]).await;
}

#[tokio::test]
async fn compression_is_not_agreed_on_unless_it_is_switched_on() {
    let house = House::with(Config::builder()).await;
    for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate, x"] {
        let line = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        let head = taken(&house, &request(&line), WHOLE).await.unwrap();
        assert_eq!(head.get("sec-websocket-extensions"), None, "{offer}");
    }
}

#[tokio::test]
async fn the_request_may_be_cut_anywhere() {
    let house = House::open().await;
    for chop in [1, 2, 3, 7, 50, 100] {
        taken(&house, &request(""), chop).await.unwrap_or_else(|why| panic!("{chop} bytes a write: {why}"));
    }
}

/// What comes behind the request in the same packet belongs to the socket already.
#[tokio::test]
async fn no_byte_behind_the_request_is_lost() {
    let house = House::open().await;
    let bytes = join([Frame::text("at once"), Frame::binary(vec![7; 10_000]), Frame::text("and more")]);
    let echoes = [Heard::Text(b"at once".to_vec()), Heard::Binary(vec![7; 10_000]), Heard::Text(b"and more".to_vec())];
    for cut in [bytes.len(), 1, 2, 6, 12, 13, 14, 20, 5000, bytes.len() - 3] {
        let (with, after) = bytes.split_at(cut);
        let mut wire = Wire::connect(house.address).await.unwrap();
        wire.write(&[&request(""), with].concat(), WHOLE).await;
        let head = soon("the response", wire.head()).await.unwrap();
        assert_eq!(head.status, 101);
        wire.write(after, WHOLE).await;
        for echo in &echoes {
            assert_eq!(soon("the echo", wire.hear()).await.as_ref(), Ok(echo), "cut at {cut}");
        }
    }
    house.empty().await;
}

#[tokio::test]
async fn after_a_refusal_the_same_connection_may_ask_again() {
    let house = House::open().await;
    let wrong = String::from_utf8(request("")).unwrap().replace("Version: 13", "Version: 12");
    let (refused, mut wire) = answer(&house, wrong.as_bytes(), WHOLE).await.unwrap();
    assert!((400..500).contains(&refused.status));
    wire.write(&request(""), WHOLE).await;
    assert_eq!(soon("the second response", wire.head()).await.unwrap().status, 101);
    wire.write(&Frame::text("hello").bytes(), WHOLE).await;
    assert_eq!(soon("the echo", wire.hear()).await, Ok(Heard::Text(b"hello".to_vec())));
}
