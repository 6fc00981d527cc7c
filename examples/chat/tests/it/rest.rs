//! REST, as the contract has it.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use super::http::{get, post, request};
use super::server::{Folder, Server, chat};

#[tokio::test]
async fn what_is_posted_by_rest_is_sent_stored_and_answered() {
    let (server, _folder) = Server::start().await;
    let address = &server.address;
    let mut ada = server.connect("ada").await;
    ada.join("rust & co").await;

    let answer = post(address, "/api/room/rust%20%26%20co/message?user_id=bot&text=build%20is%20green").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["text"], "build is green");
    let posted = ada.expect("chat_message").await;
    assert_eq!(
        (&posted["user_id"], &posted["username"], &posted["text"]),
        (&json!("bot"), &json!("bot"), &json!("build is green"))
    );

    let history = get(address, "/api/rooms/rust%20%26%20co/messages?limit=10").await.json();
    assert_eq!((&history["room"], &history["count"]), (&json!("rust & co"), &json!(1)));
    assert_eq!(history["messages"][0]["text"], "build is green");

    let announced = post(address, "/api/announce?message=Lunch").await;
    assert_eq!(announced.json(), json!({ "status": "sent", "message": "Lunch" }));
    assert_eq!(ada.expect("announcement").await["message"], "Lunch");

    let notified = post(address, "/api/user/ada/notification?message=hello").await.json();
    assert_eq!((&notified["user_id"], &notified["message"]), (&json!("ada"), &json!("hello")));
    assert_eq!(ada.expect("notification").await["message"], "hello");

    let updated = request(address, "POST", "/api/group/rust%20%26%20co/message", "", r#"{"n": 1}"#).await.json();
    assert_eq!((&updated["group"], &updated["data"]), (&json!("rust & co"), &json!({ "n": 1 })));
    let update = ada.expect("background_update").await;
    assert_eq!((&update["group"], &update["data"]), (&json!("rust & co"), &json!({ "n": 1 })));
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_400_with_the_structured_error() {
    let (server, _folder) = Server::start().await;
    let address = &server.address;
    for path in [
        "/api/announce",
        "/api/announce?message=",
        "/api/announce?message=%20",
        "/api/room/rust/message?user_id=bot",
        "/api/room/rust/message?text=x",
        "/api/room/rust/message?user_id=a%0Ab&text=x",
        "/api/room/%20/message?user_id=bot&text=x",
        "/api/room/a%00b/message?user_id=bot&text=x",
        "/api/user/ada/notification",
        "/api/user/a%0Ab/notification?message=x",
    ] {
        let answer = post(address, path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json()["error_code"], "VALIDATION_FAILED", "{path}");
    }
    for body in ["", "[]", "1", "{"] {
        assert_eq!(request(address, "POST", "/api/group/g/message", "", body).await.status, 400, "{body}");
    }
    for limit in ["0", "1001", "x", "-1", "1.5", ""] {
        let answer = get(address, &format!("/api/rooms/rust/messages?limit={limit}")).await;
        assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!("VALIDATION_FAILED")), "{limit}");
    }
    assert_eq!(get(address, "/api/rooms/rust/messages?limit=1000").await.status, 200);
}

/// A decoder would make U+FFFD of it, and the answer were about another name.
#[tokio::test]
async fn what_is_no_text_is_400_with_the_structured_error() {
    let (server, _folder) = Server::with(&[("CHAT_SECRET", "0123456789abcdef0123456789abcdef")]).await;
    let address = &server.address;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n";
    for (method, path, headers, body) in [
        ("GET", "/api/rooms/%ff/messages", "", ""),
        ("GET", "/api/rooms/rust/messages?limit=1&x=%ff", "", ""),
        ("GET", "/api/files/%ff", "", ""),
        ("GET", "/api/status?group=%ff", "", ""),
        ("POST", "/api/announce?message=%ff", "", ""),
        ("POST", "/api/room/%ff/message?user_id=ada&text=x", "", ""),
        ("POST", "/api/room/rust/message?user_id=%ff&text=x", "", ""),
        ("POST", "/api/room/rust/message?user_id=ada&text=%f0%9f", "", ""),
        ("POST", "/api/user/%ff/notification?message=x", "", ""),
        ("POST", "/api/group/%ff/message", "", "{}"),
        ("POST", "/login", form, "name=%ff"),
        ("POST", "/login", form, "name=a%c3&x=%a9"),
    ] {
        let answer = request(address, method, path, headers, body).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None), "{path} {body}");
        let error = answer.json();
        assert_eq!(error["error_code"], "VALIDATION_FAILED", "{path} {body}");
        assert!(error["message"].as_str().unwrap().contains("UTF-8"), "{error}");
    }
    assert_eq!(request(address, "POST", "/login", form, "name=J%c3%bcrgen+%f0%9f%a6%80").await.status, 200);
    assert_eq!(get(address, "/api/rooms/J%c3%bcrgen/messages?limit=1&x=+%25").await.json()["room"], "Jürgen");
}

#[tokio::test]
async fn what_a_broken_database_answers_is_in_the_log_under_its_id() {
    let folder = Folder::new();
    let server = Server::logging(&mut chat(&folder), &folder).await;
    Connection::open(folder.0.join("chat.db")).unwrap().execute_batch("DROP TABLE messages").unwrap();
    for (method, path) in [("GET", "/api/rooms/rust/messages"), ("POST", "/api/room/rust/message?user_id=ada&text=x")] {
        let answer = request(&server.address, method, path, "", "").await;
        assert_eq!((answer.status, &answer.json()["error_code"]), (500, &json!("SYSTEM_ERROR")), "{path}");
        let log = fs::read_to_string(folder.log()).unwrap();
        let id = answer.json()["error_id"].as_str().unwrap().to_owned();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&id)).collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("ERROR") && lines[0].contains("no such table"), "{log}");
    }
}

#[tokio::test]
async fn the_status_tells_whole_numbers_that_return_to_zero() {
    let (server, _folder) = Server::with(&[("SERVER_INSTANCE_ID", "one")]).await;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    // What was written is counted after it was: the client may have it a moment earlier.
    let status = loop {
        let status = get(&server.address, "/api/status").await.json();
        if status["messages_out"].as_u64() >= Some(4) {
            break status;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&status["status"], &status["backend"], &status["server_instance_id"]),
        (&json!("active"), &json!("memory"), &json!("one"))
    );
    assert_eq!((&status["connections"], &status["users"], &status["groups"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(status["messages_in"], 1);
    assert_eq!(status["messages_out"], 4);
    for number in ["uptime_seconds", "bytes_in", "bytes_out", "errors"] {
        assert!(status[number].is_u64(), "{number}: {status}");
    }
    assert_eq!(status.get("cluster"), None);
    ada.close().await;
    loop {
        let status = get(&server.address, "/api/status").await.json();
        if (&status["connections"], &status["users"], &status["groups"]) == (&json!(0), &json!(0), &json!(0)) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_page_is_embedded_and_loads_nothing_from_elsewhere() {
    let (server, _folder) = Server::start().await;
    let page = get(&server.address, "/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let html = page.text();
    for reference in html.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
        assert!(reference.starts_with('/') && !reference.starts_with("//"), "{reference}");
        let file = get(&server.address, reference).await;
        assert_eq!(file.status, 200, "{reference}");
        for import in file.text().lines().filter_map(|line| line.strip_prefix("import ")) {
            let module = import.split('\'').nth(1).unwrap().trim_start_matches('.');
            assert_eq!(get(&server.address, module).await.status, 200, "{module}");
        }
    }
}

#[tokio::test]
async fn any_origin_may_use_it_without_credentials() {
    let (server, _folder) = Server::start().await;
    let answer = request(&server.address, "GET", "/api/status", "Origin: https://example.org\r\n", "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn health_and_readiness_are_200() {
    let (server, _folder) = Server::start().await;
    assert_eq!(get(&server.address, "/healthz").await.status, 200);
    assert_eq!(get(&server.address, "/readyz").await.status, 200);
}
