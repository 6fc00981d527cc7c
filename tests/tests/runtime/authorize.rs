//! `#[authorize]`: asked for every join, on every way there is.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use channels::prelude::*;
use channels::{Category, Consumer, ErrorCode, testing};
use channels_tests::cluster;
use channels_tests::guarded::{Guarded, Joins, Rights, Unguarded, enter, is_refused};
use channels_tests::logs::Logs;
use channels_tests::probe::{Group, Text};
use channels_tests::waiting::until;
use tokio::sync::oneshot;

fn group(name: &str) -> Group {
    Group { group: name.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_around_it() {
    try_every_way::<Guarded>(async |_| ChannelLayer::memory()).await;
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_around_the_hook_of_the_layer_for_a_consumer_without_one() {
    try_every_way::<Unguarded>(async |rights| rights.layer(Config::default()).connect().await.unwrap()).await;
}

/// Every public way to make a connection a member, with a right and without.
async fn try_every_way<C: Consumer<State = Arc<Rights>>>(layer: impl AsyncFn(&Arc<Rights>) -> ChannelLayer) {
    for (allowed, expected) in [(&[][..], "AUTHORIZATION_FAILED"), (&["ada/room"][..], "true")] {
        let is_allowed = !allowed.is_empty();
        let rights = Rights::with(allowed, &["room"], 1 << 20);
        let layer = layer(&rights).await;
        let route = layer.serve::<C>().middleware(Joins("room")).into_route();
        let app = Router::new().route("/ws/{user}", route).with_state(Arc::clone(&rights));
        let mut ada = testing::connect_to(&app).path("/ws/ada").await.unwrap();
        ada.request(0, "quiet", &()).await;
        assert_eq!(ada.next_message().await.name, "$ok");
        let (conn, id) = (ada.connection().clone(), ada.connection().id());
        let mut asked = 0;
        let mut check = |way: &str| {
            assert_eq!(conn.is_in("room"), is_allowed, "{way}");
            assert_eq!(layer.registry().group_len("room"), usize::from(is_allowed), "{way}");
            asked += 1;
            assert_eq!(rights.asked(), ["ada/room"], "{way} asks");
            conn.leave("room");
        };
        check("`#[connect]`");
        ada.send("join", &group("room")).await;
        assert_eq!(ada.recv::<Text>().await.text, expected);
        check("a handler");
        ada.send("spawn", &group("room")).await;
        assert_eq!(ada.recv::<Text>().await.text, expected);
        check("a task of a handler");
        ada.request(1, "pass", &()).await;
        assert_eq!(ada.next_message().await.name, if is_allowed { "$ok" } else { "error" });
        check("a middleware");
        let manager = Arc::clone(layer.manager());
        let user = UserId::new("ada").unwrap();
        let found = [
            ("a handle kept elsewhere", conn.clone()),
            ("the registry, by id", layer.registry().get(id).unwrap()),
            ("the registry, by user", layer.registry().user_connections(&user).remove(0)),
            ("the registry, in batches", layer.registry().batches(1).next().unwrap().remove(0)),
            ("the manager's registry", manager.registry().get(id).unwrap()),
            ("the manager, by user", manager.user_connections(&user).remove(0)),
        ];
        for (way, connection) in found {
            let joined = connection.join("room").await;
            assert!(
                if is_allowed { joined.as_ref().is_ok_and(|is_new| *is_new) } else { is_refused(&joined) },
                "{way}"
            );
            check(way);
        }
        layer.registry().for_each(4, async |connection| drop(connection.join("room").await)).await;
        check("the registry, for each");
        assert_eq!(layer.join_group(id, "room").await.is_ok(), is_allowed);
        check("the layer");
        assert_eq!(layer.stats().refused_joins, if is_allowed { 0 } else { asked });
    }
}

/// What the test above walks is all there is: the registry's own `join` has one caller, and that asks.
#[test]
fn only_who_asked_makes_a_member() {
    fn read(folder: &Path, all: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push((
                    path.file_name().unwrap().to_string_lossy().into_owned(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    let mut sources = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels/src"), &mut sources);
    let places = |words: &str| -> Vec<&str> {
        let found = sources.iter().flat_map(|(name, text)| text.matches(words).map(move |_| name.as_str()));
        found.collect()
    };
    assert_eq!(
        places("registry.join("),
        ["membership.rs"; 2],
        "in `enter_group`, and there again where a limit is only observed"
    );
    assert_eq!(places("fn enter_group("), ["membership.rs"]);
    assert_eq!(places("self.enter_group("), ["membership.rs"], "in `join_group`, where the hooks were asked");
    assert_eq!(places("own.insert("), ["registry.rs"], "in `join`");
    assert_eq!(places("self.join_group("), ["membership.rs"], "for `Connection::join`");
}

/// Two tenants, say: one route, two routers, and each has rights of its own.
#[tokio::test(start_paused = true)]
async fn each_of_two_states_of_one_route_is_asked_about_its_own_connections() {
    let layer = ChannelLayer::memory();
    let route = layer.serve::<Guarded>().into_route::<Arc<Rights>>();
    let tenants = [Rights::new(&["ada/room"]), Rights::new(&["bob/room"])];
    let by_route = tenants.each_ref().map(|rights| {
        let router = Router::new().route("/ws/{user}", route.clone());
        router.with_state(Arc::clone(rights))
    });
    let router = Router::new().route("/ws/{user}", route);
    let by_router = tenants.each_ref().map(|rights| router.clone().with_state(Arc::clone(rights)));
    let nested = tenants.each_ref().map(|rights| {
        let tenant = Router::new().nest("/tenant", router.clone()).with_state(Arc::clone(rights));
        Router::new().nest("/of", tenant)
    });
    for (apps, path) in [(by_route, "/ws"), (by_router, "/ws"), (nested, "/of/tenant/ws")] {
        // Whoever comes first, and whoever comes back.
        for (tenant, user) in [(0, "ada"), (1, "bob"), (1, "ada"), (0, "bob"), (0, "ada")] {
            let app = &apps[tenant];
            let client = testing::connect_to(app).path(format!("{path}/{user}")).await.unwrap();
            let joined = client.connection().join("room").await;
            let is_allowed = (tenant, user) == (0, "ada") || (tenant, user) == (1, "bob");
            if is_allowed {
                assert!(joined.unwrap(), "{user} at {tenant}, {path}");
            } else {
                assert!(is_refused(&joined), "{user} at {tenant}, {path}: {joined:?}");
            }
            assert_eq!(tenants[tenant].asked(), [format!("{user}/room")]);
            assert_eq!(tenants[1 - tenant].asked(), [""; 0], "{path}: the other tenant is not asked");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_hangs_or_fails_has_allowed_nothing() {
    let layer = ChannelLayer::memory();
    let rights = Rights::new(&["ada/room"]);
    let mut ada = enter(&layer, &rights, "ada").await;
    let conn = ada.connection().clone();
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
    // The connection lives on, and so does the hook.
    ada.send("join", &group("room")).await;
    assert_eq!(ada.recv::<Text>().await.text, "true");
    assert_eq!(conn.join("").await.unwrap_err().code(), ErrorCode::ValidationFailed);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_any_more_ends_when_it_is_asked_about() {
    let layer = ChannelLayer::memory();
    let rights = Rights::new(&["ada/a", "ada/b", "ada/c", "bob/b"]);
    let (ada, bob) = (enter(&layer, &rights, "ada").await, enter(&layer, &rights, "bob").await);
    let conn = ada.connection().clone();
    for name in ["a", "b", "c"] {
        assert!(conn.join(name).await.unwrap());
    }
    bob.connection().join("b").await.unwrap();
    assert!(conn.recheck().await.is_empty());
    rights.take("ada/b");
    rights.take("bob/b");
    // A member is asked as well, and stays one until the recheck.
    assert!(is_refused(&conn.join("b").await));
    assert!(conn.is_in("b"));
    rights.asked();
    assert_eq!(conn.recheck().await, ["b"]);
    assert_eq!(
        (conn.groups(), rights.asked()),
        (vec!["a".into(), "c".into()], vec!["ada/a".into(), "ada/b".into(), "ada/c".into()])
    );
    assert!(bob.connection().is_in("b"), "nobody asked about Bob");
    assert_eq!(layer.recheck_group("b").await.unwrap().local, 1);
    until(|| !bob.connection().is_in("b")).await;
    rights.take("ada/c");
    assert_eq!(layer.recheck_user("ada").await.unwrap().local, 1);
    until(|| conn.groups() == ["a"]).await;
    assert_eq!((layer.stats().revoked, layer.stats().groups), (3, 1));
    assert!(layer.recheck_user("").await.is_err() && layer.recheck_group("").await.is_err());
    assert_eq!(layer.recheck_user("nobody").await.unwrap().local, 0);
}

/// Who cannot be said to be allowed is out; why is in the log, as nobody else hears it.
#[tokio::test(start_paused = true)]
async fn a_recheck_that_fails_ends_the_membership() {
    #[derive(Default)]
    struct Once;

    #[consumer(outgoing = channels_tests::probe::ServerMessage)]
    impl Once {
        #[authorize]
        fn may_join(_group: &str, conn: Connection) -> Result<(), channels::Error> {
            match conn.metadata("asked") {
                None => {
                    conn.set_metadata("asked", true);
                    Ok(())
                }
                Some(_) => Err(channels::Error::internal("no database")),
            }
        }

        #[on_text]
        fn text(&self, text: ByteString) -> ByteString {
            text
        }
    }

    let layer = ChannelLayer::memory();
    let mut client = testing::connect::<Once>(&layer, ()).await.unwrap();
    client.send_text("x").await;
    client.next_frame().await;
    client.connection().join("room").await.unwrap();
    let logs = Logs::listen();
    assert_eq!(client.connection().recheck().await, ["room"]);
    assert_eq!(layer.stats().errors(Category::System), 1);
    assert!(logs.lines().iter().any(|line| line.fields.values().any(|value| value.contains("no database"))));
}

/// The hook has looked before the right was taken, and the connection is a member only afterwards.
#[tokio::test(start_paused = true)]
async fn a_join_under_way_does_not_slip_past_a_recheck() {
    let layer = ChannelLayer::memory();
    let rights = Rights::with(&["ada/room"], &[], 0);
    let ada = enter(&layer, &rights, "ada").await;
    let conn = ada.connection().clone();
    let joining = tokio::spawn({
        let conn = conn.clone();
        async move { conn.join("room").await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(rights.asked(), ["ada/room"]);
    rights.take("ada/room");
    assert!(conn.recheck().await.is_empty(), "there is nothing to ask about yet");
    rights.answers.add_permits(100);
    assert!(is_refused(&joining.await.unwrap()));
    assert_eq!((rights.asked(), conn.groups().len(), layer.registry().group_count()), (vec!["ada/room".into()], 0, 0));
    // Dropped while it is asked a second time, it has not joined either.
    rights.give("ada/room");
    assert!(conn.join("room").await.unwrap());
}

/// The same for a group, whose members are looked up when the recheck begins; Bob is one, so that the server is told.
#[tokio::test(start_paused = true)]
async fn a_join_under_way_does_not_slip_past_a_recheck_of_the_group() {
    let layer = ChannelLayer::memory();
    let rights = Rights::with(&["ada/room", "bob/room"], &[], 1);
    let (ada, bob) = (enter(&layer, &rights, "ada").await, enter(&layer, &rights, "bob").await);
    assert!(bob.connection().join("room").await.unwrap());
    let joining = joining(&ada, &rights).await;
    rights.take("ada/room");
    assert_eq!(layer.recheck_group("room").await.unwrap().local, 1);
    rights.answers.add_permits(100);
    assert!(is_refused(&joining.await.unwrap()));
    assert!(!ada.connection().is_in("room") && bob.connection().is_in("room"));
}

/// The order that this needs, which no test of one thread can disturb.
#[test]
fn a_recheck_begins_before_anybody_looks_who_is_a_member() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../channels/src/layer/command.rs");
    let source = fs::read_to_string(path).unwrap();
    let at = |words: &str| source.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(at("manager.begin_recheck()") < at("= members(manager, topic"));
}

/// A join of Ada's that waits for the hook, which has looked.
async fn joining(ada: &testing::Client, rights: &Rights) -> tokio::task::JoinHandle<Result<bool, channels::Error>> {
    rights.asked();
    let conn = ada.connection().clone();
    let joining = tokio::spawn(async move { conn.join("room").await });
    while rights.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    joining
}

/// However many members are asked about, a join under way is asked a second time, and no more.
#[tokio::test(start_paused = true)]
async fn a_large_recheck_asks_a_join_under_way_once_more() {
    const MEMBERS: usize = 50;
    let layer = ChannelLayer::memory();
    let rights = Rights::with(&["ada/room", "bob/room"], &[], MEMBERS);
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        let bob = enter(&layer, &rights, "bob").await;
        assert!(bob.connection().join("room").await.unwrap());
        members.push(bob);
    }
    let ada = enter(&layer, &rights, "ada").await;
    let joining = joining(&ada, &rights).await;
    assert_eq!(layer.recheck_group("room").await.unwrap().local, MEMBERS);
    // One answer after the other, so that the join and the members take turns.
    for _ in 0..MEMBERS + 10 {
        rights.answers.add_permits(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(joining.await.unwrap().unwrap());
    let asked = rights.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == "ada/room").count(), 1, "besides the first time");
    assert_eq!(asked.len(), MEMBERS + 1);
}

/// Each question waits for an answer of its own, so that the test says in which order they come.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<VecDeque<oneshot::Receiver<bool>>>>);

impl Scripted {
    /// What the next questions are answered by.
    fn expect<const QUESTIONS: usize>(&self) -> [oneshot::Sender<bool>; QUESTIONS] {
        std::array::from_fn(|_| {
            let (answer, question) = oneshot::channel();
            self.0.lock().unwrap().push_back(question);
            answer
        })
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[derive(Default)]
struct Asked;

#[consumer(outgoing = channels_tests::probe::ServerMessage, state = Scripted)]
impl Asked {
    #[authorize]
    async fn may_join(_group: &str, State(script): State<Scripted>) -> Result<bool, channels::Error> {
        let question = script.0.lock().unwrap().pop_front();
        question.expect("a question that the test does not know of").await.or_internal()
    }

    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }
}

/// A recheck that begins while a join asks for the second time sees the member and asks by itself. If its no comes first,
/// the join has not succeeded, whatever it is told then; otherwise it has, and the membership is ended.
#[tokio::test(start_paused = true)]
async fn a_recheck_that_begins_later_asks_about_the_member_by_itself() {
    for is_undone_first in [true, false] {
        let (layer, script) = (ChannelLayer::memory(), Scripted::default());
        let mut client = testing::connect::<Asked>(&layer, script.clone()).await.unwrap();
        client.send_text("x").await;
        client.next_frame().await;
        let conn = client.connection().clone();
        let [before, second, of_recheck] = script.expect();
        let join = || {
            let conn = conn.clone();
            tokio::spawn(async move { conn.join("room").await })
        };
        let recheck = || {
            let conn = conn.clone();
            tokio::spawn(async move { conn.recheck().await })
        };
        let joining = join();
        until(|| script.left() == 2).await;
        assert!(recheck().await.unwrap().is_empty(), "there is nothing to ask about yet");
        before.send(true).unwrap();
        until(|| script.left() == 1).await;
        assert!(conn.is_in("room"), "a member, and asked about a second time");
        let rechecking = recheck();
        until(|| script.left() == 0).await;
        if is_undone_first {
            of_recheck.send(false).unwrap();
            assert_eq!(rechecking.await.unwrap(), ["room"]);
            second.send(true).unwrap();
            assert!(is_refused(&joining.await.unwrap()));
        } else {
            second.send(true).unwrap();
            assert!(joining.await.unwrap().unwrap());
            of_recheck.send(false).unwrap();
            assert_eq!(rechecking.await.unwrap(), ["room"]);
        }
        assert!(!conn.is_in("room"));
        assert_eq!((layer.stats().revoked, layer.stats().refused_joins), (1, u64::from(is_undone_first)));
    }
}

/// Each question is answered after one more recheck has begun.
#[tokio::test(start_paused = true)]
async fn rechecks_without_pause_do_not_keep_a_join_asking() {
    #[derive(Default)]
    struct Restless;

    #[consumer(outgoing = channels_tests::probe::ServerMessage, state = Arc<AtomicUsize>)]
    impl Restless {
        /// Allows ten times, so that a join that goes on asking is refused and does not hang.
        #[authorize]
        async fn may_join(
            _group: &str,
            layer: ChannelLayer,
            State(asked): State<Arc<AtomicUsize>>,
        ) -> Result<bool, channels::Error> {
            layer.recheck_user("bob").await?;
            Ok(asked.fetch_add(1, Ordering::Relaxed) < 10)
        }

        #[on_text]
        fn text(&self, text: ByteString) -> ByteString {
            text
        }
    }

    let (layer, asked) = (ChannelLayer::memory(), Arc::default());
    let mut client = testing::connect::<Restless>(&layer, Arc::clone(&asked)).await.unwrap();
    client.send_text("x").await;
    client.next_frame().await;
    assert!(client.connection().join("room").await.unwrap());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// Whatever the threads do in which order: after a right was taken and asked about, and the join is through, nobody is in.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_join_slips_past_a_recheck_on_another_thread() {
    #[derive(Default)]
    struct Hesitant;

    #[consumer(outgoing = channels_tests::probe::ServerMessage, state = Arc<AtomicBool>)]
    impl Hesitant {
        /// Looks, and answers later.
        #[authorize]
        async fn may_join(_group: &str, State(right): State<Arc<AtomicBool>>) -> bool {
            let is_allowed = right.load(Ordering::Relaxed);
            tokio::task::yield_now().await;
            is_allowed
        }

        #[on_text]
        fn text(&self, text: ByteString) -> ByteString {
            text
        }
    }

    let (layer, right) = (ChannelLayer::memory(), Arc::new(AtomicBool::new(false)));
    let mut client = testing::connect::<Hesitant>(&layer, Arc::clone(&right)).await.unwrap();
    client.send_text("x").await;
    client.next_frame().await;
    let (mut refused, mut revoked) = (0, 0);
    for round in 0..4000_u32 {
        let conn = client.connection().clone();
        right.store(true, Ordering::Relaxed);
        let joining = tokio::spawn({
            let conn = conn.clone();
            async move { conn.join("room").await }
        });
        let rechecking = tokio::spawn({
            let (conn, right) = (conn.clone(), Arc::clone(&right));
            async move {
                // So that it meets every moment of the join.
                for _ in 0..round % 64 * 16 {
                    std::hint::spin_loop();
                }
                right.store(false, Ordering::Relaxed);
                conn.recheck().await
            }
        });
        let (joined, left) = (joining.await.unwrap(), rechecking.await.unwrap());
        assert!(!conn.is_in("room"), "round {round}: {joined:?}, {left:?}");
        refused += u32::from(joined.is_err());
        revoked += u32::from(!left.is_empty());
    }
    assert!(refused > 0 && revoked > 0, "the threads never met: {refused} refused, {revoked} revoked");
    assert_eq!(layer.registry().group_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn servers_ask_together() {
    let rights = Rights::new(&["ada/room"]);
    let mut layers = Vec::new();
    for node in cluster::nodes(2) {
        layers.push(ChannelLayer::builder(Config::default()).backend(node).connect().await.unwrap());
    }
    let ada = [enter(&layers[0], &rights, "ada").await, enter(&layers[1], &rights, "ada").await];
    for window in &ada {
        window.connection().join("room").await.unwrap();
    }
    rights.take("ada/room");
    layers[0].recheck_user("ada").await.unwrap();
    until(|| ada.iter().all(|window| !window.connection().is_in("room"))).await;
    assert_eq!(layers.iter().map(|layer| layer.stats().revoked).sum::<u64>(), 2);
}

/// A refusal ends what its own join has made. Who joins beside it waits for its turn, and is a member by its own question.
#[tokio::test(start_paused = true)]
async fn a_refused_join_takes_nothing_from_one_beside_it() {
    let (layer, script) = (ChannelLayer::memory(), Scripted::default());
    let mut client = testing::connect::<Asked>(&layer, script.clone()).await.unwrap();
    client.send_text("x").await;
    client.next_frame().await;
    let conn = client.connection().clone();
    let join = || {
        let conn = conn.clone();
        tokio::spawn(async move { conn.join("room").await })
    };
    let [before, second] = script.expect();
    let first = join();
    until(|| script.left() == 1).await;
    conn.recheck().await;
    before.send(true).unwrap();
    until(|| script.left() == 0 && conn.is_in("room")).await;
    let [of_other] = script.expect();
    of_other.send(true).unwrap();
    let other = join();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!other.is_finished(), "it would be told of a membership that is not certain yet");
    second.send(false).unwrap();
    assert!(is_refused(&first.await.unwrap()));
    assert!(other.await.unwrap().unwrap());
    assert!(conn.is_in("room"));
}
