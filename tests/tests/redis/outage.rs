//! While Redis is away, and when it is back.

use std::time::{Duration, Instant, SystemTime};

use channels::backend::{Event, Events};
use channels::{Delivery, LimitFallback, LimitName};
use channels_tests::probe::{Group, ServerMessage, Stage, Text};
use channels_tests::redis::{FaultProxy, RedisServer, Way, eventually};

use crate::servers::{config, connected, heard, member, say, server, two_servers};

/// What the design promises: noticed, failing, and back within this.
const PROMISED: Duration = Duration::from_secs(5);

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.to_owned() })
}

async fn green(stage: &Stage) {
    eventually("the backend is connected", || stage.layer.ready().ok()).await;
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(30), events.next()).await.expect("an event").expect("the backend lives")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_is_told_once_with_its_end_and_everything_goes_on() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    let mut events = here.layer.events();
    let before = SystemTime::now();
    redis.kill_9();
    let Event::Interrupted(begun) = next(&mut events).await else { panic!("another event") };
    assert!(begun.until.is_none() && begun.since <= SystemTime::now());
    eventually("it is red", || here.layer.ready().err()).await;
    let error = here.layer.send_to_group("rust", said("lost")).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::NotSent));
    assert!(error.is_retryable());
    say(&mut ada, "rust", "lost").await;
    assert_eq!(ada.next_message().await.data["error_code"], "BACKEND_ERROR");
    redis.restart_empty();
    let returned = Instant::now();
    let Event::Restored(ended) = next(&mut events).await else { panic!("another event") };
    assert_eq!(ended.id, begun.id);
    assert!(ended.until.is_some_and(|until| until >= before));
    green(&here).await;
    green(&there).await;
    assert!(returned.elapsed() < PROMISED);
    say(&mut ada, "rust", "again").await;
    assert_eq!((heard(&mut ada).await.as_str(), heard(&mut bob).await.as_str()), ("again", "again"));
    let health = here.layer.health();
    assert_eq!(health.last_interruption.map(|last| last.id), Some(begun.id));
    assert!(health.pending == 0 && health.subscriptions >= 3, "the server, everybody, ada and the group");
    let silent = tokio::time::timeout(Duration::from_millis(300), events.next()).await;
    assert!(silent.is_err(), "told again: {silent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_only_stalls_is_noticed_and_nothing_comes_twice() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).build().unwrap()).await;
    let (_ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    redis.stop_signal();
    let stalled = Instant::now();
    let error = here.layer.send_to_group("rust", said("unknown")).await.unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::Unknown));
    assert!(stalled.elapsed() < PROMISED);
    eventually("both are red", || here.layer.ready().err().and(there.layer.ready().err())).await;
    assert!(stalled.elapsed() < PROMISED);
    redis.continue_signal();
    green(&here).await;
    green(&there).await;
    here.layer.send_to_group("rust", said("after")).await.unwrap();
    // What was under way when it stalled comes once or never, and never after what was sent later.
    let mut texts = vec![heard(&mut bob).await];
    if texts[0] == "unknown" {
        texts.push(heard(&mut bob).await);
    }
    assert_eq!(texts.last().map(String::as_str), Some("after"));
    bob.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_noticed_whatever_its_kind() {
    let redis = RedisServer::start();
    for way in [Way::Both, Way::ToServer, Way::ToClient] {
        let proxy = FaultProxy::start(redis.address()).await;
        let stage = server(&config(&redis.url_at(proxy.address())).build().unwrap()).await;
        let mut ada = member(&stage, "ada", "rust").await;
        proxy.blackhole(way);
        let begun = Instant::now();
        eventually("it is red", || stage.layer.ready().err()).await;
        assert!(begun.elapsed() < PROMISED, "{way:?}");
        let begun = Instant::now();
        assert!(stage.layer.send_to_group("rust", said("no")).await.is_err());
        assert!(begun.elapsed() < PROMISED, "{way:?}");
        proxy.reset();
        proxy.pass();
        green(&stage).await;
        say(&mut ada, "rust", "yes").await;
        assert_eq!(heard(&mut ada).await, "yes");
    }
    let proxy = FaultProxy::start(redis.address()).await;
    let stage = server(&config(&redis.url_at(proxy.address())).build().unwrap()).await;
    let mut ada = member(&stage, "ada", "rust").await;
    for fault in [FaultProxy::reset, |proxy: &FaultProxy| proxy.half_close(Way::ToClient)] {
        let mut events = stage.layer.events();
        fault(&proxy);
        assert!(matches!(next(&mut events).await, Event::Interrupted(_)));
        assert!(matches!(next(&mut events).await, Event::Restored(_)));
        green(&stage).await;
        say(&mut ada, "rust", "on").await;
        assert_eq!(heard(&mut ada).await, "on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_is_not_live_in_time_is_answered_and_undone() {
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).build().unwrap()).await;
    let mut ada = member(&stage, "ada", "rust").await;
    redis.stop_signal();
    let begun = Instant::now();
    ada.request(7, "join", &Group { group: "late".to_owned() }).await;
    let answer = ada.next_message().await;
    assert!(begun.elapsed() < PROMISED + Duration::from_millis(500));
    assert_eq!((&answer.data["error_code"], &answer.data["retryable"]), (&"BACKEND_ERROR".into(), &true.into()));
    assert!(!ada.connection().is_in("late"));
    redis.continue_signal();
    green(&stage).await;
    ada.send("join", &Group { group: "late".to_owned() }).await;
    ada.joined("late").await;
    say(&mut ada, "late", "here").await;
    assert_eq!(heard(&mut ada).await, "here");
}

/// Who joins beside one that is given up, as by its handler's time-out, is a member all the same, and hears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_beside_one_that_is_given_up_is_live() {
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    redis.stop_signal();
    let join = || {
        let connection = ada.connection().clone();
        tokio::spawn(async move { connection.join("rust").await })
    };
    let first = join();
    eventually("it is half-way", || ada.connection().is_in("rust").then_some(())).await;
    let second = join();
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    redis.continue_signal();
    assert!(second.await.unwrap().unwrap());
    say(&mut ada, "rust", "here").await;
    assert_eq!(heard(&mut ada).await, "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_while_redis_is_away_for_a_moment_is_made_good() {
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    redis.kill_9();
    ada.request(7, "join", &Group { group: "rust".to_owned() }).await;
    redis.restart_empty();
    assert_eq!(ada.next_message().await.name, "$ok");
    say(&mut ada, "rust", "here").await;
    assert_eq!(heard(&mut ada).await, "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_limits_are_local_or_refuse() {
    let redis = RedisServer::start();
    let limits = config(&redis.url()).max_connections_per_client(2);
    let local = server(&limits.clone().redis_limit_fallback(LimitFallback::Local).build().unwrap()).await;
    let refuse = server(&limits.redis_limit_fallback(LimitFallback::Refuse).build().unwrap()).await;
    let (mut ada, mut bob) = (connected(&local, "ada").await, connected(&refuse, "bob").await);
    redis.kill_9();
    for _ in 0..3 {
        ada.send("limited", &()).await;
        assert_eq!(ada.recv::<Text>().await.text, "passed");
    }
    ada.send("limited", &()).await;
    assert_eq!(ada.next_message().await.data["error_code"], "RATE_LIMIT_EXCEEDED");
    bob.send("limited", &()).await;
    assert_eq!(bob.next_message().await.data["error_code"], "BACKEND_ERROR");
    assert_eq!(refuse.try_connect("cyd").await.unwrap_err().status(), 503);
    let anonymous = connected(&local, "-").await;
    redis.restart_empty();
    green(&local).await;
    green(&refuse).await;
    let counted = async {
        while refuse.layer.counts().await.unwrap_or_default().connections != 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("all are counted again");
    drop(anonymous);
}

/// Who waits for a connection to Redis has not asked for a place yet, and is not to be counted by the others who wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_as_may_come_in_who_ask_together_during_a_blip() {
    const LIMIT: usize = 5;
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let limits = config(&redis.url_at(proxy.address())).max_connections_per_client(LIMIT);
    let stage = server(&limits.redis_limit_fallback(LimitFallback::Refuse).build().unwrap()).await;
    for round in 0..20 {
        proxy.blackhole(Way::Both);
        proxy.reset();
        eventually("it is red", || stage.layer.ready().err()).await;
        let user = format!("user-{round}");
        let all = futures_util::future::join_all((0..=LIMIT).map(|_| stage.try_connect(&user)));
        // Polled behind them: all wait before Redis is back.
        let (all, ()) = tokio::join!(all, async { proxy.pass() });
        let refused: Vec<_> =
            all.iter().filter_map(|one| one.as_ref().err()).map(|one| one.status().as_u16()).collect();
        green(&stage).await;
        // Where this machine took so long that it was no blip, nothing is shown.
        if !refused.contains(&503) {
            assert_eq!(refused, [429], "one of {}", all.len());
            return;
        }
    }
    panic!("no blip was short enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_though_redis_stands_still() {
    let redis = RedisServer::start();
    let (drain, hook) = (Duration::from_millis(500), Duration::from_secs(1));
    let times = config(&redis.url()).drain_timeout(drain).disconnect_timeout(hook);
    let stage = server(&times.build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    ada.send("hang", &()).await;
    eventually("it hangs", || (stage.world.entered() == 1).then_some(())).await;
    redis.stop_signal();
    let begun = Instant::now();
    assert_eq!(stage.layer.drained().await.dropped, 1);
    let took = begun.elapsed();
    assert!(took < drain + hook + Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_redis_is_told_everything_again() {
    let redis = RedisServer::start();
    let (here, there) = two_servers(&config(&redis.url()).max_connections_per_client(2).build().unwrap()).await;
    let mut ada = [member(&here, "ada", "rust").await, member(&there, "ada", "rust").await];
    redis.kill_9();
    redis.restart_empty();
    green(&here).await;
    green(&there).await;
    for stage in [&here, &there] {
        let again = async {
            while stage.layer.group_len("rust").await.unwrap_or(0) != 2
                || stage.layer.counts().await.map(|counts| (counts.servers, counts.users)).unwrap_or_default() != (2, 1)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), again).await.expect("everything is counted again");
        assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429, "places are taken still");
    }
    say(&mut ada[0], "rust", "on").await;
    assert_eq!(heard(&mut ada[1]).await, "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_forgot_are_given_again() {
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).max_connections_per_client(2).build().unwrap()).await;
    let mut ada = connected(&stage, "ada").await;
    redis.command(&["SCRIPT", "FLUSH"]);
    let _second = connected(&stage, "ada").await;
    redis.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(stage.try_connect("ada").await.unwrap_err().status(), 429);
    redis.command(&["SCRIPT", "FLUSH"]);
    ada.send("limited", &()).await;
    assert_eq!(ada.recv::<Text>().await.text, "passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_still_carries_messages_and_takes_places_back() {
    let redis = RedisServer::options().config("maxmemory-policy", "noeviction").start();
    let limits = config(&redis.url()).max_connections_per_client(1).redis_limit_fallback(LimitFallback::Refuse);
    let (here, there) = two_servers(&limits.build().unwrap()).await;
    let (mut ada, mut bob) = (member(&here, "ada", "rust").await, member(&there, "bob", "rust").await);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    say(&mut ada, "rust", "still").await;
    assert_eq!(heard(&mut bob).await, "still");
    assert_eq!(heard(&mut ada).await, "still");
    assert_eq!(here.try_connect("cyd").await.unwrap_err().status(), 503);
    assert!(here.layer.ready().is_ok(), "what is sent arrives");
    drop(ada);
    eventually("ada's place is given back to a full Redis", || {
        redis.command(&["KEYS", "*n:u:ada"]).list().is_empty().then_some(())
    })
    .await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let _again = connected(&there, "ada").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_on_its_way_for_long_lies_within_the_interruption() {
    const MESSAGES: u32 = 100;
    const EVERY: Duration = Duration::from_millis(20);
    let redis = RedisServer::start();
    let proxy = FaultProxy::start(redis.address()).await;
    let names = config(&redis.url());
    let here = server(&names.clone().redis_url(redis.url_at(proxy.address())).build().unwrap()).await;
    let there = server(&names.build().unwrap()).await;
    let mut ada = member(&here, "ada", "rust").await;
    let mut events = here.layer.events();
    proxy.delay(Way::ToClient, EVERY * MESSAGES / 2);
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        sent.push(SystemTime::now());
        there.layer.send_to_group("rust", said(&number.to_string())).await.unwrap();
        tokio::time::sleep(EVERY).await;
    }
    proxy.reset();
    proxy.pass();
    let Event::Interrupted(begun) = next(&mut events).await else { panic!("another event") };
    assert!(matches!(next(&mut events).await, Event::Restored(_)));
    there.layer.send_to_group("rust", said("last")).await.unwrap();
    let mut first_lost = 0;
    while heard(&mut ada).await != "last" {
        first_lost += 1;
    }
    assert!((1..MESSAGES as usize).contains(&first_lost), "some came, and some were lost: {first_lost}");
    assert!(
        begun.since <= sent[first_lost],
        "the first was lost {:?} before",
        begun.since.duration_since(sent[first_lost])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_let_in_while_redis_was_away_stays_when_an_empty_one_comes() {
    let redis = RedisServer::start();
    let limits = config(&redis.url()).redis_limit_fallback(LimitFallback::Local).max_total_connections(3);
    let (here, there) = two_servers(&limits.build().unwrap()).await;
    redis.kill_9();
    let mut clients = vec![connected(&here, "-").await, connected(&here, "-").await, connected(&there, "-").await];
    redis.restart_empty();
    green(&here).await;
    green(&there).await;
    let counted = async {
        while there.layer.counts().await.unwrap_or_default().connections != 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("all are counted");
    for client in &mut clients {
        client.request(1, "quiet", &()).await;
        assert_eq!(client.next_message().await.name, "$ok");
    }
    assert_eq!(here.try_connect("-").await.unwrap_err().status(), 503, "the limit holds again");
    assert_eq!(there.try_connect("-").await.unwrap_err().status(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_while_redis_is_away_is_not_let_in_one_by_one() {
    const CROWD: usize = 100;
    let redis = RedisServer::start();
    let stage = server(&config(&redis.url()).redis_limit_fallback(LimitFallback::Local).build().unwrap()).await;
    redis.kill_9();
    eventually("it is red", || stage.layer.ready().err()).await;
    let begun = Instant::now();
    let crowd = futures_util::future::join_all((0..CROWD).map(|_| stage.try_connect("-"))).await;
    assert!(crowd.iter().all(Result::is_ok));
    assert!(begun.elapsed() < PROMISED, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_over_a_limit_that_only_observes_stays_when_redis_comes_back() {
    let redis = RedisServer::start();
    let observed = config(&redis.url()).max_connections_per_client(1).observe_only([LimitName::ConnectionsPerUser]);
    let stage = server(&observed.build().unwrap()).await;
    let mut clients = vec![connected(&stage, "ada").await, connected(&stage, "ada").await];
    redis.kill_9();
    redis.restart_empty();
    green(&stage).await;
    eventually("both are counted under the new lease", || {
        let names = redis.command(&["KEYS", "*n:u:ada"]);
        let counts = redis.command(&["HVALS".to_owned(), names.list().first()?.text()]);
        counts.list().first().filter(|count| count.integer() == 2).map(drop)
    })
    .await;
    clients.push(connected(&stage, "ada").await);
    for client in &mut clients {
        client.request(1, "quiet", &()).await;
        assert_eq!(client.next_message().await.name, "$ok");
    }
    assert_eq!(stage.layer.stats().observed(LimitName::ConnectionsPerUser), 2);
}
