//! Names behind a signed cookie, where `CHAT_SECRET` is set.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::{Answer, get, post, request};
use super::server::{PATIENCE, Server, fails};

pub const SECRET: &str = "a secret of exactly 32 characters";

async fn with_secret() -> (Server, super::server::Folder) {
    Server::with(&[("CHAT_SECRET", SECRET)]).await
}

async fn sign_in_with(address: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    request(address, "POST", "/login", &headers, body).await
}

/// What a browser would send back: `chat_login=…`.
fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

pub async fn sign_in(address: &str, name: &str) -> String {
    let answer = sign_in_with(address, "", &format!("name={name}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.head);
    cookie_of(&answer)
}

pub type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A socket that was welcomed, or the status of the refusal.
pub async fn enter(address: &str, user: &str, cookie: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{address}/ws/{user}").into_client_request().unwrap();
    if !cookie.is_empty() {
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
    }
    match timeout(PATIENCE, connect_async(request)).await.unwrap() {
        Ok((mut socket, _)) => match timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => {
                let welcome: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(welcome["type"], "welcome");
                Ok(socket)
            }
            other => panic!("{other:?}"),
        },
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// The code of the close frame, which comes next.
pub async fn close_code(socket: &mut Socket) -> u16 {
    match timeout(PATIENCE, socket.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_cookie_says_who_somebody_is_and_the_path_no_longer() {
    let (server, _folder) = with_secret().await;
    let address = &server.address;
    let answer = sign_in_with(address, "", "name=ada").await;
    let set = answer.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(set.split("; ").any(|found| found == part), "{part}: {set}");
    }
    assert!(!set.contains("Secure"), "over plain HTTP it would be lost: {set}");
    let ada = cookie_of(&answer);
    assert!(enter(address, "ada", &ada).await.is_ok());
    assert_eq!(enter(address, "bob", &ada).await.unwrap_err(), 403);
    assert_eq!(enter(address, "ada", "").await.unwrap_err(), 401);
    // One character of the signature, of the end, or of the name is another.
    let (name, value) = ada.split_once('=').unwrap();
    for at in [0, 10, value.len() - 5, value.len() - 1] {
        let mut forged = value.as_bytes().to_vec();
        forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
        let forged = format!("{name}={}", String::from_utf8(forged).unwrap());
        assert_eq!(enter(address, "ada", &forged).await.unwrap_err(), 401, "{forged}");
        assert_eq!(enter(address, "bob", &forged).await.unwrap_err(), 401, "{forged}");
    }
    for forged in ["chat_login=ada", "chat_login=", "chat_login", "other=x", "chat_login=99999999999.ada"] {
        assert_eq!(enter(address, "ada", forged).await.unwrap_err(), 401, "{forged}");
    }
    assert_eq!(get(address, "/login").await.json(), json!({ "required": true, "user_id": null }));
    let who = request(address, "GET", "/login", &format!("Cookie: {ada}\r\n"), "").await;
    assert_eq!(who.json(), json!({ "required": true, "user_id": "ada" }));
    // REST is for operators, and asks nobody.
    assert_eq!(post(address, "/api/announce?message=Lunch").await.status, 200);
}

#[tokio::test]
async fn a_name_that_cannot_be_is_400_and_gets_no_cookie() {
    let (server, _folder) = with_secret().await;
    let long = format!("name={}", "a".repeat(129));
    for body in ["", "name=", "user=ada", "name=a%0Ab", "name=a%00", &long] {
        let answer = sign_in_with(&server.address, "", body).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (400, None), "{body}");
        assert_eq!(answer.json()["error_code"], "VALIDATION_FAILED", "{body}");
    }
    assert_eq!(request(&server.address, "POST", "/login", "", "name=ada").await.status, 400, "no form");
    // Any other is fine, in a path too.
    let longest = "a".repeat(128);
    for (name, path) in
        [("Zo%C3%AB+%F0%9F%A6%80", "Zo%C3%AB%20%F0%9F%A6%80"), ("a%3Bb%2Cc%22", "a;b,c%22"), (&longest, &longest)]
    {
        let cookie = sign_in(&server.address, name).await;
        assert!(enter(&server.address, path, &cookie).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn who_signs_out_is_closed_everywhere_and_the_cookie_goes() {
    let (server, _folder) = with_secret().await;
    let address = &server.address;
    let (ada, bob) = (sign_in(address, "ada").await, sign_in(address, "bob").await);
    let mut windows = [enter(address, "ada", &ada).await.unwrap(), enter(address, "ada", &ada).await.unwrap()];
    let mut other = enter(address, "bob", &bob).await.unwrap();
    let answer = request(address, "POST", "/logout", &format!("Cookie: {ada}\r\n"), "").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"), "{}", answer.head);
    for window in &mut windows {
        assert_eq!(close_code(window).await, 4501);
    }
    futures_util::SinkExt::send(&mut other, Message::text(r#"{"type":"ping","id":1}"#)).await.unwrap();
    match timeout(PATIENCE, other.next()).await.unwrap() {
        Some(Ok(Message::Text(pong))) => assert!(pong.contains("pong"), "{pong}"),
        gone => panic!("{gone:?}"),
    }
    // Whoever is nobody may sign out as well.
    assert_eq!(post(address, "/logout").await.status, 303);
}

#[tokio::test]
async fn a_script_is_answered_and_a_foreign_page_is_not() {
    let (server, _folder) = with_secret().await;
    let address = &server.address;
    let answer = sign_in_with(address, "Accept: application/json\r\n", "name=ada").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "user_id": "ada" })));
    let own = format!("Origin: http://{address}\r\nX-Forwarded-Proto: https\r\n");
    let answer = sign_in_with(address, &own, "name=ada").await;
    assert!(answer.status == 303 && answer.header("set-cookie").unwrap().contains("Secure"), "{}", answer.head);
    for origin in ["https://evil.example", "null", "http://127.0.0.1"] {
        let foreign = format!("Origin: {origin}\r\n");
        let answer = sign_in_with(address, &foreign, "name=eve").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{origin}");
        assert_eq!(request(address, "POST", "/logout", &foreign, "").await.status, 403, "{origin}");
    }
}

#[tokio::test]
async fn chats_with_one_secret_believe_each_other() {
    let ((one, _a), (two, _b)) = (with_secret().await, with_secret().await);
    let (other, _c) = Server::with(&[("CHAT_SECRET", "another secret that is long enough")]).await;
    let ada = sign_in(&one.address, "ada").await;
    assert!(enter(&two.address, "ada", &ada).await.is_ok());
    assert_eq!(enter(&other.address, "ada", &ada).await.unwrap_err(), 401);
}

#[tokio::test]
async fn without_a_secret_the_path_is_believed_and_nobody_signs_in() {
    let (server, _folder) = Server::with(&[("CHAT_SECRET", "")]).await;
    assert!(enter(&server.address, "ada", "").await.is_ok());
    assert_eq!(get(&server.address, "/login").await.json(), json!({ "required": false, "user_id": null }));
    assert_eq!(sign_in_with(&server.address, "", "name=ada").await.status, 404);
    assert_eq!(post(&server.address, "/logout").await.status, 404);
}

#[tokio::test]
async fn a_secret_that_is_too_short_is_told_in_one_message() {
    let (code, said) = fails(&[("CHAT_SECRET", "only 31 bytes, which is too few")]).await;
    assert_eq!(code, Some(1));
    assert_eq!(said, "CHAT_SECRET has 31 bytes, and needs at least 32; `openssl rand -base64 32` makes one.\n");
}

/// A file that is overlooked would leave the door open.
#[tokio::test]
async fn what_stands_in_dotenv_counts_and_the_environment_covers_it() {
    let folder = super::server::Folder::new();
    let lines = format!(
        "CHAT_SECRET='{SECRET}'\nCHAT_INSPECTOR_TOKEN=sixteen-letters-\nDATABASE_URL=sqlite://of-dotenv.db?mode=rwc\n\
         HOST=127.0.0.2\nPORT=nonsense\n"
    );
    std::fs::write(folder.0.join(".env"), lines).unwrap();
    // `PORT=0` is in the environment.
    let server = Server::start_in(&folder, &[]).await;
    assert!(server.address.starts_with("127.0.0.2:"), "{}", server.address);
    assert_eq!(enter(&server.address, "ada", "").await.unwrap_err(), 401);
    assert_eq!(get(&server.address, "/inspector/").await.status, 401);
    assert!(folder.0.join("of-dotenv.db").exists());
    assert_eq!(server.stop().await, Some(0));
    std::fs::write(folder.0.join(".env"), "CHAT_SECRET='too short'\n").unwrap();
    let mut short = super::server::chat(&folder).spawn().unwrap();
    assert_eq!(timeout(PATIENCE, short.wait()).await.unwrap().unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_page_that_may_connect_may_sign_in() {
    let variables = [("CHAT_SECRET", SECRET), ("WS_ALLOWED_ORIGINS", "https://app.example.com")];
    let (server, _folder) = Server::with(&variables).await;
    let sign_in =
        async |origin| sign_in_with(&server.address, &format!("Origin: {origin}\r\n"), "name=ada").await.status;
    assert_eq!(sign_in("https://app.example.com").await, 303);
    assert_eq!(sign_in("https://APP.example.com:443").await, 303);
    assert_eq!(sign_in("https://other.example.com").await, 403);
    let app = "Origin: https://app.example.com\r\n";
    assert_eq!(request(&server.address, "POST", "/logout", app, "").await.status, 303);
}
