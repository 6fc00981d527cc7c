//! What a frame that cannot be handled gets: one error frame, as the protocol's table says, and the
//! connection lives on.

use channels::testing::{Client, Received};
use channels_tests::probe::{Stage, Text, World};
use serde_json::{Value, json};

async fn ada() -> (Stage, Client) {
    let stage = Stage::new(World::default());
    let ada = stage.connect("ada").await;
    (stage, ada)
}

async fn lives_on(ada: &mut Client) {
    ada.send("echo", &Text { text: "alive".into() }).await;
    assert_eq!(ada.recv::<Text>().await.text, "alive");
    ada.assert_silent().await;
}

/// Sends a text frame and expects one error.
async fn refused(ada: &mut Client, frame: &str, code: &str) -> Received {
    ada.send_text(frame).await;
    let shown: String = frame.chars().take(80).collect();
    let told = ada.next_message().await;
    assert_eq!((&*told.name, &told.data["error_code"]), ("error", &json!(code)), "{shown}");
    assert_eq!(told.data["retryable"], json!(false), "{shown}");
    assert_eq!(told.data["retry_after_ms"], Value::Null, "{shown}");
    told
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_invalid_json() {
    let (_stage, mut ada) = ada().await;
    let frames = [
        "",
        " ",
        "{",
        "nope",
        r#"{"type":"echo"} x"#,
        r#"{"type":"\ud800"}"#,
        r#"{"type":"echo","data":{"text":"\udc00"}}"#,
    ];
    for frame in frames {
        let told = refused(&mut ada, frame, "INVALID_JSON").await;
        assert_eq!((&told.data["severity"], &told.data["category"]).0, "low", "{frame}");
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_envelope_is_an_invalid_format() {
    let (_stage, mut ada) = ada().await;
    let frames = [
        "[]",
        "null",
        "7",
        r#""echo""#,
        r#"{"type":7}"#,
        r#"{"type":null}"#,
        r#"{"type":"echo","type":"echo"}"#,
        r#"{"type":"echo","data":{},"data":{}}"#,
        r#"{"type":"echo","id":1.5}"#,
        r#"{"type":"echo","id":{}}"#,
        r#"{"type":"echo","id":1,"id":1}"#,
        r#"{"type":"echo","metadata":[]}"#,
        r#"{"type":"echo","ttl_seconds":"1"}"#,
        r#"{"type":"echo","priority":"urgent"}"#,
    ];
    for frame in frames {
        let told = refused(&mut ada, frame, "INVALID_MESSAGE_FORMAT").await;
        assert_eq!((&told.data["severity"], &told.data["category"]), (&json!("low"), &json!("message")), "{frame}");
        lives_on(&mut ada).await;
    }
    let long = format!(r#"{{"type":"echo","id":"{}"}}"#, "x".repeat(65));
    refused(&mut ada, &long, "INVALID_MESSAGE_FORMAT").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_type_says_so() {
    let (_stage, mut ada) = ada().await;
    for frame in ["{}", r#"{"data":{"text":"x"}}"#, r#"{"Type":"echo"}"#] {
        let told = refused(&mut ada, frame, "MISSING_MESSAGE_TYPE").await;
        assert_eq!(told.data["severity"], "low", "{frame}");
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_and_reserved_types_are_refused() {
    let (_stage, mut ada) = ada().await;
    for name in ["", "Echo", "echo ", "said", "error", "$ok", "$reconnect", "$", "channels"] {
        let told = refused(&mut ada, &json!({"type": name}).to_string(), "INVALID_MESSAGE_PARAMS").await;
        assert_eq!((&told.data["severity"], &told.data["message_type"]), (&json!("low"), &json!(name)));
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_type_is_not_sent_back_whole() {
    let (_stage, mut ada) = ada().await;
    let name = "x".repeat(1_000_000);
    ada.send_json(&json!({"type": name})).await;
    let told = ada.next_message().await;
    assert_eq!(told.data["error_code"], "INVALID_MESSAGE_PARAMS");
    assert!(told.data.to_string().len() < 2_000, "{} bytes", told.data.to_string().len());
    ada.send_json(&json!({"type": "a\u{0}b\n\u{1b}[31m"})).await;
    assert_eq!(ada.next_message().await.data["error_code"], "INVALID_MESSAGE_PARAMS");
    lives_on(&mut ada).await;
}

#[tokio::test(start_paused = true)]
async fn a_binary_frame_where_none_is_taken_is_refused() {
    let (_stage, mut ada) = ada().await;
    for data in [&b""[..], b"\xff\xfe", br#"{"type":"quiet"}"#] {
        ada.send_binary(data).await;
        let told = ada.next_message().await;
        assert_eq!(
            (&told.data["error_code"], &told.data["severity"]),
            (&json!("INVALID_MESSAGE_PARAMS"), &json!("low"))
        );
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_does_not_parse_names_its_field() {
    let (_stage, mut ada) = ada().await;
    let cases = [
        (r#"{"type":"echo"}"#, "text", "is missing"),
        (r#"{"type":"echo","data":{}}"#, "text", "is missing"),
        (r#"{"type":"echo","data":{"text":7}}"#, "text", "invalid type"),
        (r#"{"type":"echo","data":[7]}"#, "[0]", "invalid type"),
        (r#"{"type":"echo","data":null}"#, "data", "invalid type"),
        (r#"{"type":"many","data":{"count":-1}}"#, "count", "invalid value"),
    ];
    for (frame, field, words) in cases {
        let told = refused(&mut ada, frame, "VALIDATION_FAILED").await;
        assert_eq!((&told.data["severity"], &told.data["category"]), (&json!("low"), &json!("validation")), "{frame}");
        let problem = told.data["details"][field][0].as_str().unwrap_or_default();
        assert!(problem.contains(words), "{frame}: {}", told.data["details"]);
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_is_in_the_details() {
    let (_stage, mut ada) = ada().await;
    ada.send("checked", &json!({"name": "too long", "number": 10})).await;
    let told = ada.next_message().await;
    assert_eq!(told.data["error_code"], "VALIDATION_FAILED");
    let details = told.data["details"].as_object().unwrap();
    assert_eq!(details.keys().collect::<Vec<_>>(), ["name", "number"]);
    assert_eq!(details["name"], json!(["length is greater than 5"]));
    assert!(told.data["message"].as_str().unwrap().contains("name: length is greater than 5"));
    assert_eq!(told.data["message_type"], "checked");
    // Counted in characters, not bytes.
    ada.send("checked", &json!({"name": "🦀🦀🦀🦀🦀", "number": 9})).await;
    assert_eq!(ada.recv::<Text>().await.text, "🦀🦀🦀🦀🦀");
}

#[tokio::test(start_paused = true)]
async fn too_much_says_when_to_come_back() {
    let (_stage, mut ada) = ada().await;
    for name in ["limited", "limited_here"] {
        for _ in 0..3 {
            ada.send_json(&json!({"type": name})).await;
            assert_eq!(ada.recv::<Text>().await.text, "passed");
        }
        ada.send_json(&json!({"type": name})).await;
        let told = ada.next_message().await;
        assert_eq!(told.data["error_code"], "RATE_LIMIT_EXCEEDED", "{name}");
        assert_eq!((&told.data["severity"], &told.data["category"]), (&json!("low"), &json!("rate_limit")));
        assert_eq!((&told.data["retryable"], &told.data["retry_after_ms"]), (&json!(true), &json!(20_000)));
        tokio::time::advance(std::time::Duration::from_secs(20)).await;
        ada.send_json(&json!({"type": name})).await;
        assert_eq!(ada.recv::<Text>().await.text, "passed", "it waited as long as told");
    }
}

#[tokio::test(start_paused = true)]
async fn each_failure_of_a_handler_has_its_row() {
    let (_stage, mut ada) = ada().await;
    let rows = [
        ("forbidden", "AUTHORIZATION_FAILED", "authorization", "medium", false),
        ("backend", "BACKEND_ERROR", "backend", "high", true),
        ("secret", "SYSTEM_ERROR", "system", "high", false),
        ("named", "ROOM_IS_FULL", "message", "low", false),
    ];
    for (how, code, category, severity, retryable) in rows {
        ada.send("fail", &json!({"how": how})).await;
        let told = ada.next_message().await;
        let expected = json!([code, category, severity, retryable, "fail"]);
        let data = &told.data;
        let got =
            json!([data["error_code"], data["category"], data["severity"], data["retryable"], data["message_type"]]);
        assert_eq!(got, expected);
        assert!(data["timestamp"].as_f64().unwrap() > 1.7e9);
        assert_eq!(data["error_id"].as_str().unwrap().len(), 36);
        assert_eq!(told.re, None);
        lives_on(&mut ada).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_a_timeout() {
    let config = channels::Config::builder().handler_timeout(std::time::Duration::from_secs(5)).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let mut ada = stage.connect("ada").await;
    let began = tokio::time::Instant::now();
    ada.request(1, "hang", &json!({})).await;
    let told = ada.next_message().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!((&told.data["error_code"], &told.data["severity"]), (&json!("TIMEOUT_ERROR"), &json!("medium")));
    assert_eq!((&told.data["retryable"], told.re), (&json!(true), Some(json!(1))));
    lives_on(&mut ada).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_to_sign_in_and_closed() {
    let stage = Stage::new(World::default());
    let mut nobody = stage.connect("-").await;
    nobody.send_json(&json!({"type": "who_am_i"})).await;
    assert_eq!(nobody.next_message().await.data["error_code"], "AUTHENTICATION_FAILED");
    assert_eq!(nobody.closed().await.code().as_u16(), 1008);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_critical_fault_closes_and_others_do_not() {
    let (stage, mut ada) = ada().await;
    ada.send("fail", &json!({"how": "secret"})).await;
    assert_eq!(ada.next_message().await.data["severity"], "high");
    lives_on(&mut ada).await;
    ada.send("fail", &json!({"how": "critical"})).await;
    assert_eq!(ada.next_message().await.data["severity"], "critical");
    assert_eq!(ada.closed().await.code().as_u16(), 1011);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn ten_megabytes_of_brackets_get_one_error() {
    let (_stage, mut ada) = ada().await;
    refused(&mut ada, &"[".repeat(10_000_000), "INVALID_JSON").await;
    refused(&mut ada, &format!("{}{}", "[".repeat(5_000_000), "]".repeat(5_000_000)), "INVALID_MESSAGE_FORMAT").await;
    let nested = format!(r#"{{"type":"echo","data":{}{}}}"#, "[".repeat(5_000_000), "]".repeat(5_000_000));
    refused(&mut ada, &nested, "VALIDATION_FAILED").await;
    let deep =
        format!(r#"{{"type":"echo","data":{{"text":{}1{}}}}}"#, r#"{"a":"#.repeat(1_000_000), "}".repeat(1_000_000));
    refused(&mut ada, &deep, "VALIDATION_FAILED").await;
    lives_on(&mut ada).await;
}
