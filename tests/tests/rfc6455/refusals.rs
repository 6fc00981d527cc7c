//! Requests that are refused (RFC 6455, 4.2 and 4.4), with the status and the headers that say why.

use channels_tests::socket::soon;
use channels_tests::wire::{Head, Wire};
use futures_util::future::join_all;

use crate::case::WHOLE;
use crate::house::House;
use crate::talk::request;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// A correct request in which one part is another.
fn but(part: &str, other: &str) -> String {
    let request = String::from_utf8(request("")).unwrap();
    assert!(request.contains(part), "{part:?}");
    request.replace(part, other)
}

/// What the head of each refusal has to be; names all that are not.
async fn refused(requests: impl IntoIterator<Item = String>, right: impl Fn(&Head) -> bool) {
    let house = House::open().await;
    let answers = join_all(requests.into_iter().map(async |request| {
        let mut wire = Wire::connect(house.address).await.unwrap();
        wire.write(request.as_bytes(), WHOLE).await;
        (request, soon("the response", wire.head()).await)
    }));
    let wrong: Vec<String> = answers
        .await
        .into_iter()
        .filter(|(_, head)| !head.as_ref().is_ok_and(&right))
        .map(|(request, head)| format!("{request:?}\n    {head:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} are answered wrongly:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(house.accepted(), 0);
    house.empty().await;
}

#[tokio::test]
async fn another_method_than_get_is_not_allowed() {
    let methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let requests = methods.into_iter().flat_map(|method| {
        // With the headers of an upgrade and without them.
        let bare = format!("{method} /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        [but("GET", method), but("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n").replace("GET", method), bare]
    });
    // A refusal of a method has to name those that are allowed.
    refused(requests, |head| head.status == 405 && head.get("allow").is_some_and(|allow| allow.contains("GET"))).await;
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_that_one_is_required() {
    let upgrades = ["", "Upgrade: \r\n", "Upgrade: h2c\r\n", "Upgrade: websockets\r\n", "Upgrade: web socket\r\n"];
    let requests = upgrades.into_iter().flat_map(|line| {
        [but("Upgrade: websocket\r\n", line), but("Upgrade: websocket\r\n", line).replace(KEY, "").replace(VERSION, "")]
    });
    let plain = "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n".to_owned();
    refused(requests.chain([plain]), |head| {
        head.status == 426 && head.get("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_the_connection_does_not_name_is_none() {
    let connections = [
        "",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Connection: upgrades\r\n",
        "Connection: no-upgrade\r\n",
        "Connection: keep-alive upgrade\r\n",
    ];
    let requests = connections.map(|line| but("Connection: Upgrade\r\n", line));
    refused(requests, |head| matches!(head.status, 400 | 426)).await;
}

#[tokio::test]
async fn another_version_is_told_which_one_is_spoken() {
    let versions =
        ["0", "4", "7", "8", "12", "14", "113", "130", "255", "1", "3", "013", "13.0", "+13", "thirteen", ""];
    let requests = versions.into_iter().map(|version| but(VERSION, &format!("Sec-WebSocket-Version: {version}\r\n")));
    refused(requests, |head| head.status == 426 && head.get("sec-websocket-version") == Some("13")).await;
}

#[tokio::test]
async fn a_version_is_needed() {
    refused([but(VERSION, "")], |head| matches!(head.status, 400 | 426)).await;
}

#[tokio::test]
async fn a_key_has_to_be_sixteen_bytes_in_base64() {
    let keys = [
        "",
        "x",
        "==",
        "dGhlIHNhbXBsZSBub25jZQ",       // without padding
        "dGhlIHNhbXBsZSBub25jZQ=",      // with half of it
        "dGhlIHNhbXBsZSBub25jZQ===",    // with too much
        "dGhlIHNhbXBsZSBub25j",         // 15 bytes
        "dGhlIHNhbXBsZSBub25jZXM=",     // 17 bytes
        "dGhlIHNhbXBsZSBub25jZXNzcw==", // 19 bytes
        "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub2 jZQ==", // a space within
        "dGhlIHNhbXBsZSBub2!jZQ==", // no letter of base64
        "_-hlIHNhbXBsZSBub25jZQ==", // the other base64
        "dGhlIHNhbXBsZSBub25jZ===",
        "========================",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let requests = keys.into_iter().map(|key| but(KEY, &format!("Sec-WebSocket-Key: {key}\r\n")));
    refused(requests.chain([but(KEY, ""), but(KEY, &KEY.repeat(2))]), |head| head.status == 400).await;
}

#[tokio::test]
async fn an_older_http_cannot_be_upgraded() {
    let requests = ["HTTP/1.0\r\n", "HTTP/1.0\r\nConnection: keep-alive\r\n"].map(|line| but("HTTP/1.1\r\n", line));
    refused(requests, |head| (400..500).contains(&head.status)).await;
}

#[tokio::test]
async fn another_path_is_not_found() {
    refused(["/", "/ws/", "/WS", "/wss"].map(|path| but("/ws", path)), |head| head.status == 404).await;
}
