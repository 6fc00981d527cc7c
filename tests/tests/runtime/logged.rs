//! What the log says of errors: each that somebody was told, as loudly as it may, and in fields that nobody forges.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use channels::testing::Client;
use channels::{Error, ErrorCode, OrInternal, Severity};
use channels_tests::logs::{Line, Logs, Written};
use channels_tests::probe::{SECRET, Stage, World};
use serde_json::{Value, json};
use tower_service::Service;
use tracing::Level;

/// An extractor of axum's kind that lets nobody in.
struct Nobody;

impl<S: Send + Sync> FromRequestParts<S> for Nobody {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Error> {
        Err(Error::authentication("Who are you?"))
    }
}

/// Endpoints as an application has them, beside its sockets and without any layer.
fn rest() -> Router {
    async fn wrong() -> Result<(), Error> {
        Err(Error::validation("limit", "must be a number"))
    }
    async fn forbidden() -> Result<(), Error> {
        Err(Error::authorization("This is not yours."))
    }
    async fn broken() -> Result<(), Error> {
        Err(std::io::Error::other(SECRET)).or_internal()
    }
    async fn nobody(_: Nobody) {}
    async fn teapot() -> Response {
        Error::timeout("Tea takes its time.").into_response_with(StatusCode::IM_A_TEAPOT)
    }
    Router::new()
        .route("/wrong", get(wrong))
        .route("/forbidden", get(forbidden))
        .route("/broken", get(broken))
        .route("/nobody", get(nobody))
        .route("/teapot", get(teapot))
}

async fn asked(app: &mut Router, path: &str) -> (StatusCode, Value) {
    let response = app.call(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The one line that whoever was told this finds.
fn line(logs: &Logs, told: &Value) -> Line {
    let lines = logs.with("error_id", told["error_id"].as_str().unwrap());
    assert_eq!(lines.len(), 1, "{told}: {lines:?}");
    assert_eq!(lines[0].get("error_code"), told["error_code"].as_str().unwrap());
    lines[0].clone()
}

#[tokio::test]
async fn what_a_rest_endpoint_answers_is_in_the_log_without_anything_mounted() {
    let mut app = rest();
    for (path, status) in [("/wrong", 400), ("/forbidden", 403), ("/nobody", 401), ("/teapot", 418), ("/broken", 500)] {
        let logs = Logs::listen();
        let (got, told) = asked(&mut app, path).await;
        assert_eq!(got.as_u16(), status, "{path}");
        let line = line(&logs, &told);
        // Others of this process may have had this second's line of a code; a fault of ours has one of its own.
        assert!(status == 500 || line.level >= Level::INFO, "{line:?}");
        assert!(status != 500 || line.level == Level::ERROR, "{line:?}");
        assert_eq!(line.get("cause"), if status == 500 { SECRET } else { "" });
        assert!(!told.to_string().contains(SECRET));
    }
}

#[tokio::test]
async fn who_asks_an_endpoint_all_day_does_not_fill_the_log() {
    for (code, severity, loud) in [
        (ErrorCode::WebsocketError, Severity::High, Level::ERROR),
        (ErrorCode::WebsocketError, Severity::Medium, Level::INFO),
    ] {
        let (logs, began) = (Logs::listen(), Instant::now());
        for _ in 0..1000 {
            drop(Error::new(code, "Not now.").with_severity(severity).into_response());
        }
        let lines = logs.with("error_code", code.as_str());
        assert_eq!(lines.len(), 1000);
        let louder = lines.iter().filter(|line| line.level == loud).count();
        assert!((1..=2 + began.elapsed().as_secs()).contains(&(louder as u64)), "{louder}");
        assert!(lines.iter().all(|line| [loud, Level::DEBUG].contains(&line.level)));
    }
}

/// Has a handler fail, and says how loudly that was told, and of how many.
async fn fail(ada: &mut Client, logs: &Logs, how: &str) -> (Level, String) {
    ada.send("fail", &json!({"how": how})).await;
    let told = ada.next_message().await.data;
    let line = line(logs, &told);
    (line.level, line.get("since_the_last_line").to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_a_line_a_second_of_each_code_and_the_rest_is_counted() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let logs = Logs::listen();
    for (how, loud) in [("forbidden", Level::INFO), ("backend", Level::ERROR)] {
        assert_eq!(fail(&mut ada, &logs, how).await, (loud, String::new()), "the first, and nothing of it before");
        for _ in 0..200 {
            assert_eq!(fail(&mut ada, &logs, how).await, (Level::DEBUG, String::new()));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(fail(&mut ada, &logs, how).await, (loud, "201".to_owned()));
        assert_eq!(fail(&mut ada, &logs, how).await, (Level::DEBUG, String::new()));
    }
    assert_eq!(stage.layer.stats().errors_total(), 2 * 203, "each is counted");
    // What no later line would tell is told by the sweep.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let rest: Vec<_> = logs.lines().into_iter().filter(|line| line.get("message").starts_with("more errors")).collect();
    let mut rest: Vec<_> =
        rest.iter().map(|line| (line.level, line.get("error_code"), line.get("since_the_last_line"))).collect();
    // Other tests of this process have made responses.
    rest.retain(|(_, code, _)| ["BACKEND_ERROR", "AUTHORIZATION_FAILED"].contains(code));
    assert_eq!(rest, [(Level::ERROR, "BACKEND_ERROR", "1"), (Level::INFO, "AUTHORIZATION_FAILED", "1")]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_ours_has_its_own_line_unless_there_are_hundreds() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let logs = Logs::listen();
    for number in 0..100 {
        assert_eq!(fail(&mut ada, &logs, "secret").await, (Level::ERROR, String::new()), "{number}");
    }
    for number in 0..50 {
        assert_eq!(fail(&mut ada, &logs, "secret").await, (Level::DEBUG, String::new()), "{number}");
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(fail(&mut ada, &logs, "secret").await, (Level::ERROR, "51".to_owned()));
    assert_eq!(fail(&mut ada, &logs, "secret").await, (Level::ERROR, String::new()));
}

/// What stands outside of quotes in a line.
fn unquoted(line: &str) -> String {
    let (mut is_quoted, mut is_escaped, mut rest) = (false, false, String::new());
    for char in line.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            char if !is_quoted => rest.push(char),
            _ => {}
        }
    }
    rest
}

const FORGED: &str =
    "bob\" error_code=\"SYSTEM_ERROR\" severity=Critical user=root \u{2028}\u{2029}\u{202e}\u{2066}\u{61c}x";

#[tokio::test(start_paused = true)]
async fn a_name_forges_no_field_of_a_line() {
    let written = Written::listen();
    let stage = Stage::new(World::default());
    let name: String = FORGED.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut bob = stage.connect(&name).await;
    bob.send("fail", &json!({"how": "forbidden"})).await;
    bob.next_message().await;
    bob.send("fail", &json!({"how": FORGED})).await;
    bob.next_message().await;
    bob.send("join", &json!({"group": FORGED})).await;
    drop(bob);
    stage.empty().await;
    let text = written.text();
    let of_errors: Vec<_> = text.lines().filter(|line| line.contains("error_id=")).collect();
    assert!(of_errors.len() >= 2, "{text}");
    for line in text.lines() {
        let bare = unquoted(line);
        assert!(!bare.contains("root") && !bare.contains("Critical"), "{line}");
        assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{61c}']), "{line:?}");
    }
    assert!(of_errors.iter().all(|line| line.contains(r#"user="bob\" error_code=\"SYSTEM_ERROR"#)), "{text}");
}
