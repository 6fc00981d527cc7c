//! Whoever is refused before the upgrade is told an `error_id`, and the log has one line with it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use channels::middleware::RateLimit;
use channels::prelude::*;
use channels::rate_limit::By;
use channels::testing::{self, Refused};
use channels::{Config, Error};
use channels_tests::logs::{Line, Logs};
use channels_tests::probe::{Probe, Stage, World};
use channels_tests::watched::Watched;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::Level;

fn config(vars: &[(&'static str, &'static str)]) -> Config {
    Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap()
}

fn stage(vars: &[(&'static str, &'static str)]) -> Stage {
    Stage::with(World::default(), config(vars))
}

fn body(refused: &Refused) -> Value {
    serde_json::from_str(refused.body()).unwrap()
}

/// The one line that whoever was told this finds.
fn line(logs: &Logs, told: &Value) -> Line {
    let lines = logs.with("error_id", told["error_id"].as_str().unwrap());
    assert_eq!(lines.len(), 1, "{told}: {lines:?}");
    assert_eq!(lines[0].get("error_code"), told["error_code"].as_str().unwrap());
    lines[0].clone()
}

const ADDRESS: [u8; 4] = [203, 0, 113, 7];

#[tokio::test(start_paused = true)]
async fn too_many_connections_are_a_line_at_debug() {
    for (vars, status) in [
        ([("MAX_CONNECTIONS_PER_CLIENT", "1")], 429),
        ([("MAX_TOTAL_CONNECTIONS", "1")], 503),
        ([("WS_CONNECTIONS_PER_ADDRESS", "1")], 429),
        ([("WS_HANDSHAKES_PER_ADDRESS", "1/1h")], 429),
        ([("WS_HANDSHAKES_PER_USER", "1/1h")], 429),
    ] {
        let stage = stage(&vars);
        let _inside = stage.connecting("ada").address(ADDRESS).await.unwrap();
        let logs = Logs::listen();
        let refused = stage.connecting("ada").address(ADDRESS).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), status, "{vars:?}");
        let line = line(&logs, &body(&refused));
        assert_eq!(line.level, Level::DEBUG, "{vars:?}");
        assert!(line.get("metadata").contains("203.0.113.7"), "{line:?}");
        let is_before_accept = vars[0].0 == "WS_HANDSHAKES_PER_ADDRESS";
        assert_eq!(line.get("user"), if is_before_accept { "" } else { "ada" }, "{vars:?}");
        assert_eq!(stage.layer.stats().refused, 1, "{vars:?}");
        assert_eq!(stage.layer.stats().errors_total(), 0, "of handlers and hooks there was none");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_server_spreads_those_who_come_back() {
    let stage = stage(&[("MAX_TOTAL_CONNECTIONS", "1"), ("WS_RECONNECT_DELAY", "20")]);
    let _inside = stage.connect("ada").await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let refused = stage.try_connect("bob").await.unwrap_err();
        let told = body(&refused);
        assert_eq!((refused.status().as_u16(), &told["retryable"]), (503, &true.into()));
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        let millis = told["retry_after_ms"].as_u64().unwrap();
        assert!((20..=40).contains(&after) && millis.div_ceil(1000) == after, "{after} s, {millis} ms");
        seen.insert(after);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_no_fault() {
    let stage = stage(&[]);
    stage.layer.drain();
    let logs = Logs::listen();
    let refused = stage.try_connect("ada").await.unwrap_err();
    let told = body(&refused);
    assert_eq!((refused.status().as_u16(), &told["error_code"]), (503, &"BACKEND_ERROR".into()));
    assert_eq!(line(&logs, &told).level, Level::DEBUG);
    // Nor is it for a load balancer that asks.
    assert_eq!(stage.layer.ready().unwrap_err().severity(), channels::Severity::Low);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_cannot_tell_is_an_error_a_second() {
    for vars in [vec![], vec![("WS_HANDSHAKES_PER_USER", "5/1s")]] {
        let watched = Watched::default();
        let layer = watched.layer_with(config(&vars)).await;
        let stage = Stage::over(World::default(), layer);
        watched.goes_away();
        let logs = Logs::listen();
        let mut levels = Vec::new();
        for wait in [0, 0, 1] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let refused = stage.try_connect("ada").await.unwrap_err();
            let told = body(&refused);
            assert_eq!((refused.status().as_u16(), &told["error_code"]), (503, &"BACKEND_ERROR".into()));
            assert!(refused.header("retry-after").is_some());
            let line = line(&logs, &told);
            assert!(line.get("cause").contains("It is away.") || line.get("message").contains("It is away."));
            levels.push((line.level, line.get("since_the_last_line").to_owned()));
        }
        let [one, two] = ["1", "2"].map(String::from);
        assert_eq!(levels, [(Level::ERROR, one), (Level::DEBUG, String::new()), (Level::ERROR, two)]);
        assert_eq!((stage.layer.stats().refused, stage.layer.stats().refused_for_backend), (3, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_pages_line_bears_the_id() {
    let stage = stage(&[]);
    let logs = Logs::listen();
    let mut levels = Vec::new();
    for _ in 0..2 {
        let knock = stage.connecting("ada").header("host", "example.com").header("origin", "https://evil.example");
        let refused = knock.await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 403);
        levels.push(line(&logs, &body(&refused)).level);
    }
    assert_eq!(levels, [Level::WARN, Level::DEBUG]);
}

/// Is let in as its path says.
struct Guest;

/// An extractor of axum's kind that refuses with an error of ours.
struct Invited;

impl<S: Send + Sync> FromRequestParts<S> for Invited {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        if parts.uri.path() == "/extractor" { Err(Error::authorization("Nobody invited you.")) } else { Ok(Self) }
    }
}

/// What it refuses with.
enum No {
    Error(Error),
    Tea,
    Token,
    Status(StatusCode),
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => error.into_response(),
            Self::Tea => Error::authorization("Tea only.").into_response_with(StatusCode::IM_A_TEAPOT),
            Self::Token => ([(WWW_AUTHENTICATE, "Bearer")], Error::authentication("A token.")).into_response(),
            Self::Status(status) => status.into_response(),
        }
    }
}

#[consumer]
impl Guest {
    #[accept]
    fn accept(Path(way): Path<String>, _: Invited) -> Result<Self, No> {
        Err(match way.as_str() {
            "nobody" => No::Error(Error::authentication("Who are you?")),
            "broken" => No::Error(Error::internal("the table is away")),
            "teapot" => No::Tea,
            "token" => No::Token,
            "panic" => panic!("the table fell over"),
            _ => No::Status(StatusCode::NOT_FOUND),
        })
    }

    #[on_text]
    fn text(&self, _: String) {}
}

#[tokio::test(start_paused = true)]
async fn what_accept_refuses_with_is_found_under_its_id_and_not_counted() {
    let layer = ChannelLayer::memory();
    let app = Router::new().route("/{way}", layer.serve::<Guest>().into_route());
    for (way, status, level) in [
        ("/nobody", 401, Level::DEBUG),
        ("/extractor", 403, Level::DEBUG),
        ("/teapot", 418, Level::DEBUG),
        ("/broken", 500, Level::ERROR),
        ("/broken", 500, Level::DEBUG),
    ] {
        let logs = Logs::listen();
        let refused = testing::connect_to(&app).path(way).address(ADDRESS).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), status, "{way}");
        let line = line(&logs, &body(&refused));
        assert_eq!(line.level, level, "{way}");
        assert!(line.get("metadata").contains("203.0.113.7"), "{line:?}");
        assert_eq!(line.get("cause").contains("table"), status == 500, "{line:?}");
    }
    assert_eq!((layer.stats().refused, layer.stats().errors_total()), (0, 0));
    // A 401 names a scheme, of the application where it has one.
    for (way, scheme) in [("/nobody", Some("Application")), ("/token", Some("Bearer")), ("/extractor", None)] {
        let refused = testing::connect_to(&app).path(way).await.unwrap_err();
        assert_eq!(refused.header("www-authenticate"), scheme, "{way}");
    }
    // What has no id has no line; a panic is counted, and has no second one.
    let logs = Logs::listen();
    let refused = testing::connect_to(&app).path("/elsewhere").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), logs.with("error_id", "-").len()), (404, 0));
    let refused = testing::connect_to(&app).path("/panic").await.unwrap_err();
    assert_eq!((line(&logs, &body(&refused)).level, layer.stats().errors_total()), (Level::ERROR, 1));
}

/// Asks for a connection as a client does, and reads the answer.
async fn knock(address: SocketAddr, request: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

const ASKS: &str = "GET /ws/ada HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
                    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Serves the probe where an address has to be known, and nobody hands one on.
async fn without_connect_info(layer: &ChannelLayer) -> SocketAddr {
    let limit = RateLimit::new("1/1h".parse().unwrap()).by(By::Ip);
    let route = layer.serve::<Probe>().middleware(limit).into_route_with_connect_info();
    let app = Router::new().route("/ws/{user}", route).with_state(std::sync::Arc::<World>::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What a client gets there.
pub(crate) async fn refused_without_connect_info(layer: &ChannelLayer) -> (String, String) {
    knock(without_connect_info(layer).await, ASKS).await
}

#[tokio::test]
async fn a_server_without_connect_info_says_so_under_the_id() {
    let layer = ChannelLayer::memory();
    let logs = Logs::listen();
    let (head, body) = refused_without_connect_info(&layer).await;
    assert!(head.starts_with("HTTP/1.1 500"), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["message"], "Something went wrong on the server.");
    let line = line(&logs, &told);
    assert_eq!(line.level, Level::ERROR);
    assert!(line.get("cause").contains("into_make_service_with_connect_info"), "{line:?}");
    assert_eq!((layer.stats().refused, layer.stats().refused_for_backend), (1, 0));
}

#[tokio::test]
async fn what_asks_for_no_websocket_is_plain_text_and_not_counted() {
    let layer = ChannelLayer::memory();
    let address = without_connect_info(&layer).await;
    for (request, status) in [
        (ASKS.replace("GET", "POST"), 405),
        (ASKS.replace("websocket-version: 13", "websocket-version: 12"), 426),
        (ASKS.replace("upgrade: websocket", "upgrade: h2c"), 426),
        (ASKS.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400),
    ] {
        let (head, body) = knock(address, &request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert!(serde_json::from_str::<Value>(&body).is_err(), "{body}");
    }
    assert_eq!(layer.stats().refused, 0);
}

/// A limit that is over says later, not never.
#[tokio::test(start_paused = true)]
async fn who_comes_too_often_for_connect_is_told_to_come_back() {
    let too_often = || channels::Error::rate_limited(Duration::from_secs(7));
    let world = World { on_connect: channels_tests::probe::Act::Fail(too_often), ..World::default() };
    let stage = Stage::with(world, Config::default());
    let mut ada = stage.connect("ada").await;
    let told = ada.next_message().await;
    assert_eq!((&told.data["error_code"], &told.data["retry_after_ms"]), (&"RATE_LIMIT_EXCEEDED".into(), &7000.into()));
    let end = ada.closed().await;
    assert_eq!(end.code().as_u16(), 1013);
    assert!(end.code().asks_to_reconnect());
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_only_looks_on_says_whom_it_would_have_refused() {
    let layer = ChannelLayer::memory_with(config(&[("WS_OBSERVE_ONLY", "rate_limits")]));
    let stage = Stage::over(World::default(), layer);
    let mut ada = stage.connect("ada").await;
    let id = ada.connection().id().to_string();
    for (name, who) in [("limited", "limited of ada"), ("limited_here", &*format!("limited_here of {id}"))] {
        let logs = Logs::listen();
        tokio::time::advance(Duration::from_secs(2)).await;
        for _ in 0..4 {
            ada.request(1, name, &serde_json::json!({})).await;
            ada.next_message().await;
        }
        let lines = logs.with("limit", "rate_limits");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].get("who").ends_with(who), "{lines:?}");
    }
}
