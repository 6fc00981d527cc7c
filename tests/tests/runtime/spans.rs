//! Spans: a line of the log stands in its message's, which stands in its connection's.

use channels::Config;
use channels::testing::Client;
use channels_tests::logs::{Line, Logs};
use channels_tests::probe::{Act, SECRET, Stage, World};
use serde_json::{Value, json};

/// Asks for something that fails: what the client is told, and the line of the log with the same id.
async fn failed(logs: &Logs, ada: &mut Client, frame: &Value) -> (Value, Line) {
    ada.send_json(frame).await;
    let told = ada.next_message().await;
    assert_eq!(told.name, "error", "{frame}");
    let id = told.data["error_id"].as_str().unwrap();
    let lines = logs.with("error_id", id);
    assert_eq!(lines.len(), 1, "{frame}: {lines:?}");
    (told.data.clone(), lines[0].clone())
}

fn names(line: &Line) -> Vec<&str> {
    line.spans.iter().map(|span| span.name).collect()
}

#[tokio::test(start_paused = true)]
async fn an_error_is_logged_in_the_span_of_its_message_under_the_id_that_the_client_is_told() {
    let logs = Logs::listen();
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    let id = ada.connection().id().to_string();
    // An async handler, one that waits first, a payload that a sync one refuses, and a name that nobody has.
    let cases = [
        (json!({"type": "fail", "id": 7, "data": {"how": "secret"}}), "fail", "7"),
        (json!({"type": "panic", "id": "a\nb"}), "panic", r#""a\nb""#),
        (json!({"type": "checked", "data": {"name": "", "number": 1}}), "checked", ""),
        (json!({"type": "forged\nline"}), "$unknown", ""),
    ];
    for (frame, kind, request) in cases {
        let (told, line) = failed(&logs, &mut ada, &frame).await;
        assert_eq!(names(&line), ["channels.connection", "channels.message"], "{frame}");
        let [connection, message] = &line.spans[..] else { unreachable!() };
        assert_eq!((connection.get("connection"), connection.get("user")), (&*id, "ada"));
        assert_eq!((message.get("message_type"), message.get("request")), (kind, request), "{frame}");
        // The span is found by the same id, also where a line's level is off.
        assert_eq!(json!(message.get("error_id")), told["error_id"]);
        assert!(!message.fields.values().any(|value| value.contains(SECRET)));
    }
    // What is no message at all belongs to the connection.
    ada.send_text("{").await;
    let told = ada.next_message().await;
    let line = &logs.with("error_id", told.data["error_id"].as_str().unwrap())[0];
    assert_eq!(names(line), ["channels.connection"]);
}

#[tokio::test(start_paused = true)]
async fn each_message_has_one_span_and_a_connection_one_for_all_its_life() {
    let logs = Logs::listen();
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let mut ada = stage.connect("ada").await;
    ada.joined("all").await;
    for frame in [
        json!({"type": "echo", "data": {"text": "a"}}),
        json!({"type": "wait", "data": {"millis": 50}}),
        json!({"type": "say", "data": {"group": "all", "text": "b"}}),
        json!({"type": "ping"}),
    ] {
        ada.send_json(&frame).await;
        ada.next_message().await;
    }
    assert!(logs.spans("channels.connection").is_empty());
    drop(ada);
    stage.empty().await;
    let messages = logs.spans("channels.message");
    let kinds: Vec<_> = messages.iter().map(|span| span.get("message_type")).collect();
    assert_eq!(kinds, ["echo", "wait", "say", "ping"]);
    assert!(messages.iter().all(|span| span.parent == Some("channels.connection") && span.get("error_id").is_empty()));
    let sends = logs.spans("channels.send");
    assert_eq!(sends.len(), 1);
    assert_eq!(
        (sends[0].parent, sends[0].get("topic"), sends[0].get("to")),
        (Some("channels.message"), "group", "\"all\"")
    );
    assert_eq!((sends[0].get("local"), sends[0].get("servers")), ("1", "1"));
    stage.until(|_| !logs.spans("channels.connection").is_empty()).await;
    assert_eq!(logs.spans("channels.connection").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_says_stands_in_its_connections_span() {
    let world = World {
        on_connect: Act::Fail(|| channels::Error::authorization("No.")),
        on_disconnect: Act::Panic,
        ..World::default()
    };
    let logs = Logs::listen();
    let stage = Stage::new(world);
    let mut ada = stage.connect("ada").await;
    ada.closed().await;
    stage.empty().await;
    let lines: Vec<_> = logs.lines().into_iter().filter(|line| !line.get("error_id").is_empty()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| names(line) == ["channels.connection"]), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_send_without_a_handler_stands_in_whatever_its_caller_is_in() {
    use channels_tests::probe::{ServerMessage, Text};
    use tracing::Instrument;

    let logs = Logs::listen();
    let stage = Stage::with(World::default(), Config::default());
    let notice = ServerMessage::Said(Text { text: "hi".into() });
    stage.layer.broadcast(notice.clone()).await.unwrap();
    stage.layer.send_to_user("bob", notice).instrument(tracing::info_span!("job")).await.unwrap();
    let found: Vec<_> =
        logs.spans("channels.send").iter().map(|span| (span.parent, span.fields["topic"].clone())).collect();
    assert_eq!(found, [(None, "everybody".to_owned()), (Some("job"), "user".to_owned())]);
}

/// A payload that cannot be written.
#[derive(Clone, Debug)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no words for that"))
    }
}

#[derive(Clone, Debug, channels::prelude::Outgoing)]
enum Odd {
    Said(Unwritable),
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_send_that_fails_bears_the_id_of_its_error() {
    use channels_tests::probe::{ServerMessage, Text};

    let logs = Logs::listen();
    let stage = Stage::new(World::default());
    let ids = || -> Vec<_> { logs.spans("channels.send").iter().map(|s| s.get("error_id").to_owned()).collect() };
    // Told by a handler, whose message bears the same id; nobody knows the group, and its name is no group's.
    let mut ada = stage.connect("ada").await;
    let (told, line) = failed(&logs, &mut ada, &json!({"type": "say", "data": {"group": "", "text": "a"}})).await;
    assert_eq!(json!(line.spans[1].get("error_id")), told["error_id"]);
    assert_eq!(json!(ids()), json!([told["error_id"]]));
    // Kept by its caller: one that the backend does not take, one that cannot be written, and one that is fine.
    let notice = ServerMessage::Said(Text { text: "hi".into() });
    let refused = stage.layer.send_to_group("", notice.clone()).await.unwrap_err();
    let unwritable = stage.layer.broadcast(Odd::Said(Unwritable)).await.unwrap_err();
    stage.layer.broadcast(notice).await.unwrap();
    let expected = [refused, unwritable].map(|error| error.context().error_id.to_string());
    assert_eq!(ids()[1..], [&expected[0], &expected[1], ""]);
}

#[tokio::test(start_paused = true)]
async fn the_id_of_a_send_that_a_handler_does_without_is_not_its_messages() {
    use channels::prelude::*;
    use channels::testing;
    use channels_tests::probe::{ServerMessage, Text};

    struct Forgiving;

    #[consumer(outgoing = ServerMessage)]
    impl Forgiving {
        #[accept]
        fn accept() -> Self {
            Self
        }

        #[on_text]
        async fn text(&self, text: String, layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
            assert!(layer.send_to_group("", ServerMessage::Said(Text { text: text.clone() })).await.is_err());
            conn.send(ServerMessage::Said(Text { text }))
        }
    }

    let logs = Logs::listen();
    let layer = ChannelLayer::memory();
    let mut ada = testing::connect::<Forgiving>(&layer, ()).await.unwrap();
    ada.send_text("hi").await;
    ada.next_message().await;
    let (sends, messages) = (logs.spans("channels.send"), logs.spans("channels.message"));
    assert_eq!((sends.len(), messages.len()), (1, 1));
    assert!(!sends[0].get("error_id").is_empty());
    assert_eq!((sends[0].parent, messages[0].get("error_id")), (Some("channels.message"), ""));
}

#[tokio::test(start_paused = true)]
async fn a_connection_outlives_the_subscriber_that_saw_its_beginning() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let first = Logs::listen();
    let mut ada = stage.connect("ada").await;
    drop(first);
    let second = Logs::listen();
    // What the second numbers is something else.
    let _others: Vec<_> = (0..5).map(|number| tracing::info_span!("other", number)).collect();
    for frame in [json!({"type": "wait", "data": {"millis": 5}}), json!({"type": "echo", "data": {"text": "a"}})] {
        ada.send_json(&frame).await;
        ada.next_message().await;
    }
    ada.send_json(&json!({"type": "fail", "data": {"how": "secret"}})).await;
    let told = ada.next_message().await;
    let line = &second.with("error_id", told.data["error_id"].as_str().unwrap())[0];
    assert_eq!(names(line), ["channels.message"]);
    assert_eq!(second.spans("channels.message").len(), 3);
    assert!(second.spans("channels.message").iter().all(|span| span.parent.is_none()));
}
