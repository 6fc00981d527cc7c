//! The inspector: what it tells, how much of it, and under which paths.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use channels::testing::Refused;
use channels::{ChannelLayer, Config};
use channels_tests::cluster;
use channels_tests::probe::{SECRET, Stage, Text, World};
use channels_tests::watched::Watched;
use serde_json::{Value, json};
use tower_service::Service;

use crate::refused::refused_without_connect_info;

async fn get(router: &Router, path: &str) -> (Response<()>, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).unwrap())
}

async fn state(router: &Router, query: &str) -> Value {
    let (head, body) = get(router, &format!("/state.json?{query}")).await;
    assert_eq!(head.status(), 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_tells_who_is_here_what_goes_on_and_what_went_wrong() {
    let stage = Stage::with(World::default(), Config::builder().server_instance_id("one").build().unwrap());
    let inspector = channels::inspector(&stage.layer);
    let mut ada = stage.connect("ada").await;
    let _bob = stage.connect("bob").await;
    ada.request(1, "join", &json!({"group": "rust"})).await;
    ada.next_message().await;
    for _ in 0..10 {
        ada.send("echo", &Text { text: "hi".into() }).await;
        ada.recv::<Text>().await;
    }
    ada.send("wait", &json!({"millis": 300})).await;
    ada.recv::<Text>().await;
    ada.send("fail", &json!({"how": "secret"})).await;
    let told = ada.next_message().await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;

    let seen = state(&inspector, "").await;
    assert_eq!((&seen["server"]["id"], &seen["backend"]["name"]), (&json!("one"), &json!("memory")));
    assert_eq!(seen["cluster"], json!({"servers": 1, "connections": 2, "users": 2}));
    let listed = seen["servers"]["shown"].as_array().unwrap();
    assert_eq!((&seen["servers"]["count"], listed.len()), (&json!(1), 1));
    let itself = ["name", "own", "connections", "silent", "draining"].map(|of| listed[0][of].clone());
    assert_eq!(itself, [json!("one"), json!(true), json!(2), json!(0.0), json!(false)]);
    assert!(listed[0]["age"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{listed:?}");
    assert_eq!((&seen["counts"]["connections"], &seen["counts"]["messages_in"]), (&json!(2), &json!(13)));
    // What came in the first second, by the second; the last bucket's bound stands for 300 ms.
    let samples = seen["samples"].as_array().unwrap();
    let total: f64 = samples.iter().map(|sample| sample["messages_in"].as_f64().unwrap()).sum();
    assert_eq!((samples[0]["number"].as_u64(), total.round()), (Some(1), 13.0), "{samples:?}");
    assert_eq!(samples[0]["handler_p99"], json!(0.5));
    assert_eq!(samples.last().unwrap()["handler_p99"], Value::Null);
    // Only what is new comes the next time.
    let last = samples.len();
    assert_eq!(state(&inspector, &format!("after={last}")).await["samples"], json!([]));

    let connections = seen["connections"].as_array().unwrap();
    let of_ada = connections.iter().find(|connection| connection["user"] == "ada").unwrap();
    assert_eq!(of_ada["id"], json!(ada.connection().id().to_string()));
    assert_eq!((&of_ada["groups"], &of_ada["messages_in"]), (&json!(["rust"]), &json!(13)));
    assert_eq!(seen["groups"], json!([{"name": "rust", "members": 1}]));
    assert_eq!(seen["group"], Value::Null);
    let members = &state(&inspector, "group=rust").await["group"];
    assert_eq!((&members["count"], &members["shown"][0]["user"]), (&json!(1), &json!("ada")));

    let error = &seen["errors"][0];
    assert_eq!((&error["error_id"], &error["code"]), (&told.data["error_id"], &json!("SYSTEM_ERROR")));
    assert_eq!((&error["message_type"], &error["user"]), (&json!("fail"), &json!("ada")));
    assert_eq!(error["message"], told.data["message"]);
    assert!(!seen.to_string().contains(SECRET), "what only the log may say");
}

#[tokio::test(start_paused = true)]
async fn what_it_tells_is_bounded_and_can_be_searched() {
    let stage = Stage::new(World::default());
    let inspector = channels::inspector(&stage.layer);
    let mut all = Vec::new();
    for number in 0..150 {
        let mut client = stage.connect(&format!("user-{number:03}")).await;
        client.request(1, "join", &json!({"group": format!("room-{}", number % 60)})).await;
        client.next_message().await;
        client.send_text("{").await;
        client.next_message().await;
        all.push(client);
    }
    tokio::time::sleep(Duration::from_secs(400)).await;
    let seen = state(&inspector, "").await;
    let lengths = ["connections", "groups", "errors", "samples"].map(|of| seen[of].as_array().unwrap().len());
    assert_eq!(lengths, [100, 50, 100, 300]);
    assert_eq!((&seen["groups"][0]["members"], &seen["counts"]["connections"]), (&json!(3), &json!(150)));
    for find in ["user-149", "USER-149", &all[149].connection().id().to_string()] {
        let found = state(&inspector, &format!("find={find}")).await;
        let users: Vec<_> = found["connections"].as_array().unwrap().iter().map(|it| it["user"].clone()).collect();
        assert_eq!(users, [json!("user-149")], "{find}");
    }
    assert_eq!(state(&inspector, "find=nobody").await["connections"], json!([]));
    let (head, _) = get(&inspector, "/state.json?after=x").await;
    assert_eq!(head.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn servers_are_told_by_name_this_one_first_and_no_more_than_fit() {
    let mut nodes = cluster::nodes(130).into_iter();
    let (mut stages, mut clients) = (Vec::new(), Vec::new());
    for (name, connections) in [("one", 1), ("two", 2), ("two", 3)] {
        let config = Config::builder().server_instance_id(name).build().unwrap();
        let layer = ChannelLayer::builder(config).backend(nodes.next().unwrap()).connect().await.unwrap();
        let stage = Stage::over(World::default(), layer);
        for number in 0..connections {
            clients.push(stage.connect(&format!("{name}-{number}")).await);
        }
        stages.push(stage);
    }
    let inspector = channels::inspector(&stages[0].layer);
    let next = async || {
        tokio::time::sleep(Duration::from_secs(6)).await;
        state(&inspector, "").await["servers"].clone()
    };
    let seen = next().await;
    let shown = seen["shown"].as_array().unwrap();
    assert_eq!((&seen["count"], shown.len()), (&json!(130), 100));
    let first: Vec<_> = shown[..4].iter().map(|it| ["name", "own", "connections"].map(|of| it[of].clone())).collect();
    let wanted = [("one", true, 1), ("two", false, 3), ("two", false, 2), ("node-10", false, 0)];
    assert_eq!(first, wanted.map(|(name, own, connections)| [json!(name), json!(own), json!(connections)]));
    assert_ne!(shown[1]["id"], shown[2]["id"]);
    assert_eq!(next().await, seen, "in the same order");
    // Of itself this server knows at once, of others with their next heartbeat.
    stages[0].layer.drain();
    assert_eq!(state(&inspector, "").await["servers"]["shown"][0]["draining"], json!(true));
    stages[2].layer.drain();
    let all = stages[0].layer.servers().await.unwrap();
    let draining = all.iter().filter(|server| server.is_draining);
    assert_eq!(draining.map(|server| &*server.id).collect::<Vec<_>>(), ["node-0", "node-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_tell_servers_apart_still_counts_them() {
    let layer = Watched::default().layer().await;
    assert_eq!(layer.servers().await.unwrap(), []);
    let inspector = channels::inspector(&layer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = state(&inspector, "").await;
    assert_eq!((&seen["servers"], &seen["cluster"]["servers"]), (&json!({"count": 0, "shown": []}), &json!(1)));
}

#[tokio::test]
async fn it_finds_its_files_under_every_path_and_loads_nothing_else() {
    let stage = Stage::new(World::default());
    let inspector = || channels::inspector(&stage.layer);
    let nested = Router::new().nest("/admin/look", inspector());
    let service = Router::new().nest_service("/admin/look", inspector());
    for (router, page) in [(&nested, "/admin/look"), (&service, "/admin/look"), (&service, "/admin/look/")] {
        let (head, html) = get(router, page).await;
        assert_eq!(head.status(), 200, "{page}");
        let policy = head.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(
            (&head.headers()["cache-control"], &head.headers()["x-content-type-options"]),
            (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        assert!(!html.contains("http") && !html.contains("{here}") && !html.contains("style="), "{html}");
        let folder = &page[..=page.rfind('/').unwrap()];
        for attribute in ["href=\"", "src=\""] {
            let file = html.split(attribute).nth(1).unwrap().split('"').next().unwrap();
            let (head, body) = get(router, &format!("{folder}{file}")).await;
            assert_eq!(head.status(), 200, "{page} {file}");
            assert!(!body.contains("innerHTML") && !body.contains("@import") && !body.contains("url("), "{file}");
        }
    }
    // No path of a mount becomes markup.
    let (_, html) = get(&Router::new().nest("/{any}", inspector()), "/\"onload=x").await;
    assert!(!html.contains("onload"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn it_looks_only_as_long_as_its_router_lives() {
    let stage = Stage::new(World::default());
    let before = Arc::strong_count(stage.layer.manager());
    let inspector = channels::inspector(&stage.layer);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(Arc::strong_count(stage.layer.manager()) > before);
    drop(inspector);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(Arc::strong_count(stage.layer.manager()), before);
}

#[test]
fn it_may_be_made_before_there_is_a_runtime() {
    let layer = channels::ChannelLayer::memory();
    let inspector = channels::inspector(&layer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        assert_eq!(state(&inspector, "").await["samples"], json!([]));
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(state(&inspector, "").await["samples"].as_array().unwrap().len(), 1);
    });
}

fn codes(seen: &Value) -> Vec<(&str, &str)> {
    let errors = seen["errors"].as_array().unwrap().iter();
    errors.map(|error| (error["error_id"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}

fn told_id(refused: &Refused) -> String {
    let told: Value = serde_json::from_str(refused.body()).unwrap();
    told["error_id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn where_nobody_gets_in_it_says_so_once_a_second() {
    let watched = Watched::default();
    let config = Config::builder().max_connections_per_client(1).build().unwrap();
    let stage = Stage::over(World::default(), watched.layer_with(config).await);
    let inspector = channels::inspector(&stage.layer);
    let _inside = stage.connect("ada").await;
    assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429);
    assert_eq!(codes(&state(&inspector, "").await), [], "that is the client's, and only counted");
    watched.goes_away();
    let mut told = Vec::new();
    for _ in 0..2 {
        let refused = stage.connecting("bob").address([203, 0, 113, 7]).await.unwrap_err();
        told.push(told_id(&refused));
        for _ in 0..150 {
            assert_eq!(stage.try_connect("cyd").await.unwrap_err().status(), 503);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let seen = state(&inspector, "").await;
    assert_eq!(codes(&seen), [(&*told[1], "BACKEND_ERROR"), (&*told[0], "BACKEND_ERROR")], "the newest first");
    assert_eq!((&seen["errors"][0]["user"], &seen["errors"][0]["connection"]), (&json!("bob"), &Value::Null));
    assert!(!seen.to_string().contains("It is away."), "what only the log may say");
}

#[tokio::test]
async fn a_server_without_connect_info_shows_why_nobody_gets_in() {
    let layer = ChannelLayer::memory();
    let inspector = channels::inspector(&layer);
    let (head, body) = refused_without_connect_info(&layer).await;
    assert!(head.starts_with("HTTP/1.1 500"), "{head}");
    let told: Value = serde_json::from_str(&body).unwrap();
    let seen = state(&inspector, "").await;
    assert_eq!(codes(&seen), [(told["error_id"].as_str().unwrap(), "SYSTEM_ERROR")]);
    assert_eq!(seen["errors"][0]["message"], told["message"]);
}
