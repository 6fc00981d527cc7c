//! Groups of a connection: as many as it may be in, whichever way it gets there.

use std::sync::Arc;

use axum::Router;
use channels::{ChannelLayer, Connection, Error, ErrorCode, UserId, testing};
use channels_tests::guarded::{Guarded, Joins, Rights};
use channels_tests::probe::{Act, Group, Text};
use channels_tests::watched::Watched;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

const LIMIT: LimitName = LimitName::GroupsPerConnection;

fn group(name: &str) -> Group {
    Group { group: name.to_owned() }
}

fn is_refused(joined: &Result<bool, Error>) -> bool {
    joined.as_ref().is_err_and(|error| error.code() == ErrorCode::ValidationFailed)
}

/// Every way there is to a third group, where two are allowed.
#[tokio::test(start_paused = true)]
async fn no_way_leads_past_the_limit() {
    for is_observed in [false, true] {
        let mut vars = vec![("WS_GROUPS_PER_CONNECTION", "2")];
        vars.extend(is_observed.then_some(("WS_OBSERVE_ONLY", LIMIT.as_str())));
        let layer = ChannelLayer::memory_with(config(&vars));
        let rights = Rights::with(&["ada/a", "ada/b", "ada/c"], &["a", "b", "c"], Semaphore::MAX_PERMITS);
        let route = layer.serve::<Guarded>().middleware(Joins("c")).into_route();
        let app = Router::new().route("/ws/{user}", route).with_state(Arc::clone(&rights));
        let mut ada = testing::connect_to(&app).path("/ws/ada").await.unwrap();
        ada.request(0, "quiet", &()).await;
        assert_eq!(ada.next_message().await.name, "$ok");
        let conn = ada.connection().clone();
        let said = if is_observed { "true" } else { "VALIDATION_FAILED" };
        let mut ways = 0;
        let mut check = |way: &str| {
            ways += 1;
            assert_eq!(conn.is_in("c"), is_observed, "{way}");
            assert_eq!((conn.is_in("a"), conn.is_in("b")), (true, true), "{way}");
            let stats = layer.stats();
            let told = if is_observed { (0, ways) } else { (ways, 0) };
            assert_eq!((stats.refused_by(LIMIT), stats.observed(LIMIT)), told, "{way}");
            conn.leave("c");
        };
        check("`#[connect]`");
        ada.send("join", &group("c")).await;
        assert_eq!(ada.recv::<Text>().await.text, said);
        check("a handler");
        ada.send("spawn", &group("c")).await;
        assert_eq!(ada.recv::<Text>().await.text, said);
        check("a task of a handler");
        ada.request(1, "pass", &()).await;
        assert_eq!(ada.next_message().await.name, if is_observed { "$ok" } else { "error" });
        check("a middleware");
        assert_eq!(is_refused(&conn.join("c").await), !is_observed);
        check("a handle kept elsewhere");
        let user = UserId::new("ada").unwrap();
        let found = layer.registry().user_connections(&user).remove(0);
        assert_eq!(is_refused(&found.join("c").await), !is_observed);
        check("the registry");
        assert_eq!(is_refused(&layer.join_group(conn.id(), "c").await), !is_observed);
        check("the layer");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_to_nothing_takes_no_place_and_what_ended_gives_it_back() {
    let layer = ChannelLayer::memory_with(config(&[("WS_GROUPS_PER_CONNECTION", "1")]));
    let rights = Rights::with(&["ada/a", "ada/b"], &[], Semaphore::MAX_PERMITS);
    let route = layer.serve::<Guarded>().into_route();
    let app = Router::new().route("/ws/{user}", route).with_state(Arc::clone(&rights));
    let ada = testing::connect_to(&app).path("/ws/ada").await.unwrap();
    let conn = ada.connection();
    for hopeless in ["panics", "fails", "foreign", "no\nname"] {
        conn.join(hopeless).await.unwrap_err();
    }
    assert!(conn.join("a").await.unwrap(), "the one there is");
    assert!(is_refused(&conn.join("b").await));
    assert!(!conn.join("a").await.unwrap(), "again is no further one");
    rights.take("ada/a");
    assert_eq!(conn.recheck().await, ["a"]);
    assert!(conn.join("b").await.unwrap());
    assert!(is_refused(&{
        rights.give("ada/a");
        conn.join("a").await
    }));
    assert!(conn.leave("b"));
    assert!(conn.join("a").await.unwrap());
    assert_eq!(layer.stats().refused_by(LIMIT), 2);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_never_more_than_may_be() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer_with(config(&[("WS_GROUPS_PER_CONNECTION", "5")])).await);
    let ada = stage.connect("ada").await;
    stage.until(|_| ada.connection().state() == channels::ConnectionState::Connected).await;
    // Each waits for the backend, and holds its place meanwhile.
    let subscriptions = watched.hold_subscriptions();
    let join = |number: usize, conn: Connection| async move { conn.join(&format!("room-{number}")).await };
    let mut joins: JoinSet<_> = (0..20).map(|number| join(number, ada.connection().clone())).collect();
    for _ in 0..15 {
        assert!(is_refused(&joins.join_next().await.unwrap().unwrap()));
    }
    // Those that wait are given up, and their places with them.
    joins.shutdown().await;
    assert_eq!((ada.connection().groups().len(), stage.layer.registry().group_count()), (0, 0));
    subscriptions.add_permits(100);
    let joined = (0..6).map(|number| join(number, ada.connection().clone())).collect::<JoinSet<_>>().join_all().await;
    assert_eq!(joined.iter().filter(|joined| joined.is_ok()).count(), 5);
    assert_eq!(counted(&stage, LIMIT), (16, 0));
    drop(ada);
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_joins_too_many_leaves_all_of_them() {
    let world = World { groups: vec!["a", "b", "c"], on_connect: Act::Nothing, ..World::default() };
    let stage = Stage::with(world, config(&[("WS_GROUPS_PER_CONNECTION", "2")]));
    let mut ada = stage.connect("ada").await;
    let told = ada.next_message().await;
    assert_eq!((&*told.name, &told.data["error_code"]), ("error", &"VALIDATION_FAILED".into()));
    ada.closed().await;
    stage.empty().await;
    assert_eq!(counted(&stage, LIMIT), (1, 0));
}
