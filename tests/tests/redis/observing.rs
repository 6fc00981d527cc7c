//! Limits that only look on, where Redis cannot tell: they refuse nobody, whatever `REDIS_LIMIT_FALLBACK` says.

use channels::testing::Client;
use channels::{LimitFallback, LimitName};
use channels_tests::probe::Stage;
use channels_tests::redis::{RedisServer, eventually};
use serde_json::json;

use crate::servers::{config, connected, server};

const ADDRESS: [u8; 4] = [203, 0, 113, 7];
const OBSERVED: [LimitName; 3] = [LimitName::HandshakesPerAddress, LimitName::HandshakesPerUser, LimitName::RateLimits];

/// A server that refuses where Redis cannot tell, with limits that look on or refuse.
async fn refusing(redis: &RedisServer, observed: impl IntoIterator<Item = LimitName>) -> Stage {
    let config = config(&redis.url()).redis_limit_fallback(LimitFallback::Refuse);
    let limits = [("WS_HANDSHAKES_PER_ADDRESS", "100/1h"), ("WS_HANDSHAKES_PER_USER", "100/1h")];
    server(&config.vars(limits).unwrap().observe_only(observed).build().unwrap()).await
}

/// What one is told that asks for what is limited by user.
async fn asks(client: &mut Client) -> String {
    client.request(1, "limited", &json!({})).await;
    let answer = client.next_message().await;
    answer.data["error_code"].as_str().map_or(answer.name, str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_a_limit_that_looks_on_refuses_no_message() {
    let redis = RedisServer::start();
    let (looking_on, refusing) = (refusing(&redis, OBSERVED).await, refusing(&redis, []).await);
    let (mut ada, mut bob) = (connected(&looking_on, "ada").await, connected(&refusing, "bob").await);
    redis.kill_9();
    for _ in 0..5 {
        assert_eq!(asks(&mut ada).await, "said", "three a minute are allowed");
    }
    assert_eq!(asks(&mut bob).await, "BACKEND_ERROR");
    assert_eq!(looking_on.layer.stats().observed(LimitName::RateLimits), 0, "nobody can tell");
    // Whether there is a place for it has to be known.
    assert_eq!(looking_on.try_connect("cyd").await.unwrap_err().status(), 503);
    redis.restart_empty();
    eventually("the backend is connected", || looking_on.layer.ready().ok()).await;
    for _ in 0..5 {
        assert_eq!(asks(&mut ada).await, "said");
    }
    assert_eq!(looking_on.layer.stats().observed(LimitName::RateLimits), 2, "and now it looks on again");
}

/// Redis is there, but not what it knows of rates, as in a Cluster where another node has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_rates_cannot_be_told_who_is_looked_at_is_let_in() {
    let redis = RedisServer::start();
    for is_observed in [true, false] {
        let stage = refusing(&redis, OBSERVED.into_iter().filter(|_| is_observed)).await;
        let connect = || stage.connecting("ada").address(ADDRESS);
        let mut ada = connect().await.unwrap();
        assert_eq!(asks(&mut ada).await, "said");
        let rates = redis.command(&["KEYS", "*}rate:*"]);
        assert_eq!(rates.list().len(), 3, "of the address, of the user, and of the handler: {rates:?}");
        for rate in rates.list() {
            let rate = rate.text();
            redis.command(&["DEL", &rate]);
            // No number: the script that is to read it fails.
            redis.command(&["LPUSH", &rate, "something else"]);
        }
        let (limited, status) = if is_observed { ("said", None) } else { ("BACKEND_ERROR", Some(503)) };
        for _ in 0..5 {
            assert_eq!(asks(&mut ada).await, limited);
            assert_eq!(connect().await.err().map(|refused| refused.status().as_u16()), status);
            // Nobody's requests are their address's only.
            let nobody = stage.connecting("-").address(ADDRESS).await;
            assert_eq!(nobody.err().map(|refused| refused.status().as_u16()), status);
        }
        let stats = stage.layer.stats();
        assert_eq!((stats.refused, stats.refused_for_backend), if is_observed { (0, 0) } else { (10, 10) });
        for limit in OBSERVED {
            assert_eq!((stats.observed(limit), stats.refused_by(limit)), (0, 0), "{limit}");
        }
        if is_observed {
            let mut bob = stage.connecting("bob").address(ADDRESS).await.unwrap();
            assert_eq!(asks(&mut bob).await, "said");
        }
        redis.command(&["FLUSHALL"]);
    }
}
