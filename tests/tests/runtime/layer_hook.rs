//! The hook of a layer: asked about every join, whatever consumer the connection has, besides the consumer's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use channels::prelude::*;
use channels::{Category, ErrorCode, testing};
use channels_tests::cluster;
use channels_tests::guarded::{Guarded, Rights, Unguarded, enter, enter_by, is_refused};
use channels_tests::logs::Logs;
use channels_tests::probe::{Group, Text};
use channels_tests::waiting::until;

/// Two routes of one application share their groups, and one of them has no `#[authorize]`.
#[tokio::test(start_paused = true)]
async fn a_second_consumer_is_no_way_in() {
    for has_hook in [false, true] {
        let rights = Rights::new(&[]);
        let layer =
            if has_hook { rights.layer(Config::default()).connect().await.unwrap() } else { ChannelLayer::memory() };
        let app = Router::new()
            .route("/guarded/{user}", layer.serve::<Guarded>().into_route())
            .route("/unguarded/{user}", layer.serve::<Unguarded>().into_route())
            .with_state(Arc::clone(&rights));
        for (path, is_open) in [("/guarded/ada", false), ("/unguarded/ada", !has_hook)] {
            let mut ada = testing::connect_to(&app).path(path).await.unwrap();
            ada.send("join", &Group { group: "room".into() }).await;
            let expected = if is_open { "true" } else { "AUTHORIZATION_FAILED" };
            assert_eq!(ada.recv::<Text>().await.text, expected, "{path}, hook: {has_hook}");
            assert_eq!(ada.connection().is_in("room"), is_open);
            assert_eq!(layer.join_group(ada.connection().id(), "hall").await.is_ok(), is_open);
        }
        assert_eq!(layer.stats().refused_joins, if has_hook { 4 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_first_and_all_have_to_allow() {
    let (of_layer, of_consumer) = (Rights::new(&["ada/both", "ada/layer"]), Rights::new(&["ada/both", "ada/consumer"]));
    let layer = of_layer.layer(Config::default()).connect().await.unwrap();
    let ada = enter(&layer, &of_consumer, "ada").await;
    for (group, is_allowed, asked) in [("both", true, [1, 1]), ("layer", false, [1, 1]), ("consumer", false, [1, 0])] {
        let joined = ada.connection().join(group).await;
        assert_eq!((joined.is_ok(), is_refused(&joined)), (is_allowed, !is_allowed), "{group}");
        assert_eq!([of_layer.asked().len(), of_consumer.asked().len()], asked, "{group}");
    }
    assert_eq!((ada.connection().groups(), layer.stats().refused_joins), (vec!["both".into()], 2));
}

#[tokio::test(start_paused = true)]
async fn given_twice_both_are_asked() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hook = |name: &'static str| {
        let asked = Arc::clone(&asked);
        move |_: Connection, group: String| {
            asked.lock().unwrap().push(name);
            std::future::ready(group != name)
        }
    };
    let layer = ChannelLayer::builder(Config::default()).authorize(hook("a")).authorize(hook("b"));
    let layer = layer.connect().await.unwrap();
    let rights = Rights::new(&[]);
    let ada = enter_by::<Unguarded>(&layer, &rights, "ada").await;
    for (group, is_allowed, expected) in [("c", true, &["a", "b"][..]), ("b", false, &["a", "b"]), ("a", false, &["a"])]
    {
        assert_eq!(ada.connection().join(group).await.is_ok(), is_allowed);
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), expected);
    }
}

/// On all servers, also for connections whose consumer asks nobody; what one server's hook refuses is not in there.
#[tokio::test(start_paused = true)]
async fn every_recheck_asks_it() {
    let rights = Rights::new(&["ada/a", "ada/b", "ada/c", "bob/b"]);
    let mut layers = Vec::new();
    for node in cluster::nodes(2) {
        layers.push(rights.layer(Config::default()).backend(node).connect().await.unwrap());
    }
    let ada = enter_by::<Unguarded>(&layers[0], &rights, "ada").await;
    let bob = enter_by::<Unguarded>(&layers[1], &rights, "bob").await;
    let conn = ada.connection().clone();
    for group in ["a", "b", "c"] {
        assert!(conn.join(group).await.unwrap());
    }
    assert!(bob.connection().join("b").await.unwrap());
    rights.take("ada/a");
    assert_eq!(conn.recheck().await, ["a"]);
    rights.take("ada/b");
    rights.take("bob/b");
    layers[1].recheck_group("b").await.unwrap();
    until(|| !conn.is_in("b") && !bob.connection().is_in("b")).await;
    rights.take("ada/c");
    layers[1].recheck_user("ada").await.unwrap();
    until(|| conn.groups().is_empty()).await;
    assert_eq!((layers[0].stats().revoked, layers[1].stats().revoked), (3, 1));
}

/// The hook has looked before the right was taken, and the connection is a member only afterwards.
#[tokio::test(start_paused = true)]
async fn a_join_under_way_does_not_slip_past_a_recheck() {
    let rights = Rights::with(&["ada/room"], &[], 0);
    let layer = rights.layer(Config::default()).connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &rights, "ada").await;
    let conn = ada.connection().clone();
    let joining = tokio::spawn({
        let conn = conn.clone();
        async move { conn.join("room").await }
    });
    until(|| !rights.asked().is_empty()).await;
    rights.take("ada/room");
    assert!(conn.recheck().await.is_empty(), "there is nothing to ask about yet");
    rights.answers.add_permits(100);
    assert!(is_refused(&joining.await.unwrap()));
    assert_eq!((rights.asked().len(), conn.groups().len(), layer.registry().group_count()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_hangs_or_fails_has_allowed_nothing() {
    let rights = Rights::new(&["ada/room"]);
    let layer = rights.layer(Config::default()).connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &rights, "ada").await;
    let conn = ada.connection();
    for (name, code) in [
        ("panics", ErrorCode::SystemError),
        ("hangs", ErrorCode::TimeoutError),
        ("fails", ErrorCode::BackendError),
        ("other", ErrorCode::AuthorizationFailed),
    ] {
        let error = tokio::time::timeout(Duration::from_secs(120), conn.join(name)).await.unwrap().unwrap_err();
        assert_eq!((error.code(), conn.groups().len()), (code, 0), "{name}");
    }
    assert_eq!(layer.stats().refused_joins, 4);
    assert!(conn.join("room").await.unwrap(), "the connection lives on, and so does the hook");
}

/// Who cannot be said to be allowed is out; why is in the log, as nobody else hears it.
#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_in_a_recheck_ends_the_membership() {
    let asked = AtomicUsize::new(0);
    let layer = ChannelLayer::builder(Config::default()).authorize(move |_, _| {
        assert_eq!(asked.fetch_add(1, Ordering::Relaxed), 0, "no second time");
        std::future::ready(true)
    });
    let layer = layer.connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &Rights::new(&[]), "ada").await;
    assert!(ada.connection().join("room").await.unwrap());
    let logs = Logs::listen();
    assert_eq!(ada.connection().recheck().await, ["room"]);
    assert_eq!((layer.stats().errors(Category::System), layer.stats().revoked), (1, 1));
    assert!(logs.lines().iter().any(|line| line.fields.values().any(|value| value.contains("no second time"))));
}

/// Before there is a future at all.
#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_when_it_is_called_is_caught_as_well() {
    fn never(_: Connection, _: String) -> std::future::Ready<bool> {
        panic!("the hook of a test")
    }

    let layer = ChannelLayer::builder(Config::default()).authorize(never).connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &Rights::new(&[]), "ada").await;
    assert_eq!(ada.connection().join("room").await.unwrap_err().code(), ErrorCode::SystemError);
}

/// Its own question would ask it again, until the stack is full and the process ends.
#[tokio::test(start_paused = true)]
async fn a_hook_that_rechecks_the_connection_it_is_asked_about_is_told_so_in_the_log() {
    let asked = Arc::new(AtomicUsize::new(0));
    let layer = ChannelLayer::builder(Config::default()).authorize({
        let asked = Arc::clone(&asked);
        move |conn: Connection, _group: String| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move { conn.recheck().await.is_empty() }
        }
    });
    let layer = layer.connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &Rights::new(&[]), "ada").await;
    let logs = Logs::listen();
    assert!(ada.connection().join("room").await.unwrap());
    assert!(ada.connection().join("hall").await.unwrap());
    assert_eq!((asked.load(Ordering::Relaxed), layer.stats().errors(Category::System)), (2, 2));
    let tells = |words: &str| logs.lines().iter().any(|line| line.fields.values().any(|value| value.contains(words)));
    assert!(tells("called `recheck`"));
    // The same from outside, where it is no circle, but the hook makes it one.
    assert!(ada.connection().recheck().await.is_empty());
    assert_eq!((asked.load(Ordering::Relaxed), layer.stats().errors(Category::System)), (4, 4));
    assert_eq!(ada.connection().groups(), ["hall", "room"]);
}

#[tokio::test(start_paused = true)]
async fn an_authorize_that_rechecks_the_connection_it_is_asked_about_is_told_so_as_well() {
    #[derive(Default)]
    struct Circular;

    #[consumer(outgoing = channels_tests::probe::ServerMessage)]
    impl Circular {
        #[authorize]
        async fn may_join(_group: &str, conn: Connection) -> bool {
            conn.recheck().await.is_empty()
        }

        #[on_text]
        fn text(&self, text: ByteString) -> ByteString {
            text
        }
    }

    let layer = ChannelLayer::memory();
    let mut client = testing::connect::<Circular>(&layer, ()).await.unwrap();
    client.send_text("x").await;
    client.next_frame().await;
    assert!(client.connection().join("room").await.unwrap());
    assert!(client.connection().recheck().await.is_empty());
    assert_eq!((layer.stats().errors(Category::System), client.connection().groups().len()), (2, 1));
}

/// A hook may join another group, about which it is asked as well; one that always does has to end somewhere.
#[tokio::test(start_paused = true)]
async fn a_hook_that_joins_without_end_is_refused() {
    let layer = ChannelLayer::builder(Config::default()).authorize(|conn: Connection, group: String| async move {
        match group.as_str() {
            "room" => conn.join("hall").await.map(drop),
            "hall" => Ok(()),
            _ => conn.join(&format!("{group}+")).await.map(drop),
        }
    });
    let layer = layer.connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &Rights::new(&[]), "ada").await;
    assert!(ada.connection().join("room").await.unwrap());
    assert_eq!(ada.connection().groups(), ["hall", "room"]);
    assert_eq!(ada.connection().join("a").await.unwrap_err().code(), ErrorCode::SystemError);
    assert_eq!(ada.connection().groups(), ["hall", "room"]);
}

/// At its second question a join has begun, which the next of the same group waits for: a hook would wait for itself.
#[tokio::test(start_paused = true)]
async fn a_hook_that_joins_what_it_is_asked_about_is_refused_at_once() {
    let (asked, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let layer = ChannelLayer::builder(Config::default()).authorize({
        let (asked, refused) = (Arc::clone(&asked), Arc::clone(&refused));
        move |conn: Connection, group: String| {
            let (question, refused) = (asked.fetch_add(1, Ordering::Relaxed), Arc::clone(&refused));
            async move {
                match question {
                    0 => tokio::time::sleep(Duration::from_millis(10)).await,
                    1 => {
                        let began = tokio::time::Instant::now();
                        assert_eq!(conn.join(&group).await.unwrap_err().code(), ErrorCode::SystemError);
                        assert_eq!(began.elapsed(), Duration::ZERO);
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => {}
                }
                true
            }
        }
    });
    let layer = layer.connect().await.unwrap();
    let ada = enter_by::<Unguarded>(&layer, &Rights::new(&[]), "ada").await;
    let conn = ada.connection().clone();
    let joining = tokio::spawn({
        let conn = conn.clone();
        async move { conn.join("room").await }
    });
    until(|| asked.load(Ordering::Relaxed) == 1).await;
    assert!(conn.recheck().await.is_empty());
    assert!(joining.await.unwrap().unwrap());
    assert_eq!((asked.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)), (2, 1));
    assert_eq!(conn.groups(), ["room"]);
}
