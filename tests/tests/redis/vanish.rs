//! A crowd that goes at once: all that it had in Redis is given back, and the other server counts none of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use channels::testing::Client;
use channels::{ChannelLayer, CloseCode, ClosedBy, Config};
use channels_tests::probe::{Stage, Text, World};
use channels_tests::redis::{FaultProxy, RedisServer, Value, Way, eventually};
use futures_util::future::join_all;

use crate::servers::{config, connected, member};

/// Each has a user, a group of its own, and one with all.
const CLIENTS: usize = 1_500;
/// How many there may be, with what the other server holds in reserve.
const TOTAL: usize = CLIENTS + 20;
/// What a server may hold unused of so many: twice a block of a 256th, but for the last of each.
const RESERVE: i64 = 2 * (TOTAL as i64 / 256 - 1);
/// What two servers listen to with nobody there: what is for all, and what is for the connections of each.
const FEWEST_CHANNELS: usize = 3;
/// One way, as to a Redis far away: whoever asks for one thing after the other waits for minutes.
const FAR: Duration = Duration::from_millis(20);
/// How long the crowd is counted after it has gone, at most.
const SOON: Duration = Duration::from_secs(6);

struct Scene {
    /// The crowd's server, behind the proxy.
    here: Stage,
    there: Stage,
    crowd: Vec<Client>,
    /// Who stays, at the other server.
    ada: Client,
    proxy: FaultProxy,
    redis: RedisServer,
}

async fn stage(config: Config) -> Stage {
    let world = World { groups: vec!["all"], ..World::default() };
    Stage::over(world, ChannelLayer::connect(config).await.unwrap())
}

impl Scene {
    async fn new(redis: RedisServer) -> Self {
        let proxy = FaultProxy::start(redis.address()).await;
        let config = config(&redis.url())
            .max_total_connections(TOTAL)
            .max_connections_per_client(1)
            .heartbeat_interval(Duration::from_secs(4))
            // Those who are lost go long before, also on a busy machine.
            .heartbeat_timeout(Duration::from_secs(20));
        let there = stage(config.clone().build().unwrap()).await;
        let here = stage(config.redis_url(redis.url_at(proxy.address())).build().unwrap()).await;
        let ada = connected(&there, "ada").await;
        let mut crowd = Vec::with_capacity(CLIENTS);
        for from in (0..CLIENTS).step_by(100) {
            let names = (from..from + 100).map(|number| (format!("user-{number}"), format!("own-{number}")));
            crowd.extend(join_all(names.map(async |(user, own)| member(&here, &user, &own).await)).await);
        }
        let scene = Self { here, there, crowd, ada, proxy, redis };
        scene.counted(CLIENTS + 1, Duration::from_secs(30)).await;
        let users = scene.keys().iter().filter(|key| key.contains("}n:u:")).count();
        assert_eq!((users, scene.channels()), (CLIENTS + 1, FEWEST_CHANNELS + 2 * CLIENTS + 2), "what is to go");
        scene
    }

    /// Waits until the other server counts so many, in all and in the group of all.
    async fn counted(&self, connections: usize, within: Duration) {
        let began = Instant::now();
        loop {
            let counts = self.there.layer.counts().await.unwrap_or_default();
            let members = self.there.layer.group_len("all").await.unwrap_or(usize::MAX);
            if (counts.connections, counts.users, members) == (connections, connections, connections) {
                return;
            }
            assert!(began.elapsed() < within, "not {connections}: {counts:?}, {members} members");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn keys(&self) -> Vec<String> {
        self.redis.command(&["KEYS", "*"]).list().iter().map(Value::text).collect()
    }

    /// To how many channels somebody listens.
    fn channels(&self) -> usize {
        self.redis.command(&["PUBSUB", "CHANNELS"]).list().len()
    }

    /// The sum of what servers have in a hash.
    fn sum(&self, hash: &str) -> i64 {
        let key = self.keys().into_iter().find(|key| key.ends_with(hash));
        let numbers = key.map(|key| self.redis.command(&["HVALS", &key]));
        numbers.iter().flat_map(|numbers| numbers.list()).map(Value::integer).sum()
    }

    async fn ada_is_answered(&mut self) {
        let began = Instant::now();
        self.ada.send("echo", &Text { text: "here".into() }).await;
        assert_eq!(self.ada.recv::<Text>().await.text, "here");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    /// All have gone: each once, and only Ada is left, wherever one looks. When she has gone too, nothing is.
    async fn nothing_is_left(mut self) {
        self.counted(1, SOON).await;
        self.ada_is_answered().await;
        assert_eq!(self.here.counts().await, (0, 0, 0, 1, 1));
        let ends = self.here.world.ends();
        let owns: BTreeSet<_> = ends.iter().flat_map(|end| &end.groups).filter(|group| *group != "all").collect();
        assert_eq!((ends.len(), owns.len()), (CLIENTS, CLIENTS), "each once");
        eventually("all permits but the reserve are given back", || {
            (self.sum("}connections") == 1 && self.sum("}permits") <= 1 + 2 * RESERVE).then_some(())
        })
        .await;
        self.ada.lose();
        eventually("nothing is left", || {
            let of_servers = ["}servers", "}connections", "}permits", "}about"];
            let is_empty = self.keys().iter().all(|key| of_servers.iter().any(|name| key.ends_with(name)));
            (is_empty && self.channels() == FEWEST_CHANNELS).then_some(())
        })
        .await;
        self.counted(0, SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_goes_at_once_leaves_nothing_in_redis() {
    let mut scene = Scene::new(RedisServer::start()).await;
    scene.proxy.delay(Way::Both, FAR);
    for (number, client) in scene.crowd.iter_mut().enumerate() {
        if number % 2 == 0 {
            client.lose();
        } else {
            client.stop_answering();
            client.stop_reading();
        }
    }
    scene.ada_is_answered().await;
    scene.here.until(|world| world.ends().len() >= CLIENTS / 2).await;
    scene.counted(CLIENTS / 2 + 1, SOON).await;
    assert!(scene.here.world.ends().iter().all(|end| end.by == ClosedBy::Lost), "nobody is dead before the time-out");
    scene.here.until(|world| world.ends().len() >= CLIENTS).await;
    let dead = (CloseCode::HEARTBEAT_LOST.as_u16(), ClosedBy::Server);
    assert_eq!(scene.here.world.ends().iter().filter(|end| (end.code, end.by) == dead).count(), CLIENTS / 2);
    scene.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_goes_while_redis_stands_still_is_given_back_when_it_goes_on() {
    let mut scene = Scene::new(RedisServer::start()).await;
    scene.redis.stop_signal();
    scene.crowd.iter_mut().for_each(Client::lose);
    scene.here.until(|world| world.ends().len() >= CLIENTS).await;
    eventually("it is red", || scene.here.layer.ready().err()).await;
    scene.redis.continue_signal();
    scene.nothing_is_left().await;
}

/// What the crowd had stands there under the server's former lease, which is cleaned up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_goes_while_redis_is_away_is_forgotten_by_one_that_comes_back_with_what_it_knew() {
    let mut scene = Scene::new(RedisServer::options().persistent().start()).await;
    scene.redis.kill_9();
    scene.crowd.iter_mut().for_each(Client::lose);
    scene.here.until(|world| world.ends().len() >= CLIENTS).await;
    scene.proxy.delay(Way::Both, FAR);
    scene.redis.restart();
    assert!(scene.keys().iter().filter(|key| key.contains("}n:u:")).count() > 1, "it knows more than Ada");
    scene.nothing_is_left().await;
}
