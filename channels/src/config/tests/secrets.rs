//! The password of Redis is never shown.

use super::*;

#[test]
fn a_wrong_redis_url_never_shows_its_password() {
    for (url, shown) in [
        ("http://user:s3cret@cache:6379/0", "***://***@cache:6379/0"),
        ("redis://user:s3cret@", "redis://***@"),
        ("redis://:s3c@ret@cache:port/0", "redis://***@***"),
        ("redis://default:s3cret", "redis://***"),
        ("redis://:12345", "redis://***"),
        ("redis://u:1234567@ho st", "redis://***@***"),
        ("redis://u:s3cret@cache:70000", "redis://***@***"),
        ("user:s3cret@cache", "***@***"),
        ("s3cret", "***"),
        ("s3cret:s3cret", "***"),
        ("localhost:6379", "localhost:6379"),
        ("s3cret://localhost", "***://localhost"),
    ] {
        // The client itself refuses some of these only where it is there to ask.
        assert_eq!(redis_url::redact(url), shown);
        if let Err(error) = with(&[("REDIS_URL", url)]) {
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert!(error.to_string().contains(shown), "{error}");
        }
    }
}

#[test]
fn debug_never_shows_the_password_of_redis() {
    for (url, shown) in [
        ("redis://user:s3cret@[::1]:6379/1", "redis://***@[::1]:6379/1"),
        ("redis://:s3/cr?et@cache:6379/1", "redis://***@cache:6379/1"),
        ("redis+unix:///run/redis.sock?pass=s3cret", "redis+unix:///run/redis.sock?***"),
        ("redis://cache/?protocol=resp3", "redis://cache/?***"),
    ] {
        let builder = Config::builder().redis_url(url);
        let (config, builder) = (format!("{:?}", builder.config), format!("{builder:?}"));
        for text in [config, builder] {
            assert!(text.contains(&format!("redis_url: {shown},")), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

#[test]
fn urls_that_the_client_takes_are_taken() {
    for url in [
        "redis://localhost",
        "redis://user:p%40ss@cache.example:6380/3",
        "redis://[::1]:6379/1",
        "valkey://cache/?protocol=resp3",
    ] {
        assert_eq!(with(&[("REDIS_URL", url)]).unwrap().redis_url(), url);
    }
    for url in ["localhost", "localhost:6379", "http://localhost", "redis://", "redis://a b", "REDIS_URL"] {
        assert!(with(&[("REDIS_URL", url)]).is_err(), "{url}");
    }
}

#[cfg(feature = "redis")]
#[test]
fn urls_that_only_the_client_can_judge_are_refused() {
    for url in ["redis://localhost:port", "redis://localhost/first", "redis://:s3cret", "redis://0.0.0.0"] {
        assert!(with(&[("REDIS_URL", url)]).is_err(), "{url}");
    }
}

#[cfg(feature = "redis")]
#[test]
fn what_a_server_of_redis_says_never_repeats_the_login() {
    let servers = crate::config::RedisServers::parse("redis://ada:s3cret-of-the-house@cache").unwrap();
    for (said, shown) in [
        ("unknown command 'HELLO'", "unknown command 'HELLO'"),
        ("who is 's3cret-of-the-house'?", "***"),
        ("cut short: 's3cret-of-t", "***"),
        (
            "User ada has no permissions to run the 'adapt' command",
            "User *** has no permissions to run the 'adapt' command",
        ),
        ("nada, 'ada'ada ada", "nada, '***'*** ***"),
    ] {
        assert_eq!(servers.login.blank(said), shown);
    }
    let nobody = crate::config::RedisServers::parse("redis://cache").unwrap();
    assert_eq!(nobody.login.blank("NOAUTH"), "NOAUTH");
}
