//! What values mean, and which are refused.

use super::*;

#[test]
fn durations_are_seconds_or_have_a_unit() {
    for (text, millis) in [
        ("30", 30_000),
        ("0.5", 500),
        (" 2 ", 2_000),
        ("500ms", 500),
        ("1.5m", 90_000),
        ("0.1m", 6_000),
        ("2 h", 7_200_000),
        ("007s", 7_000),
    ] {
        let config = with(&[("WS_DRAIN_TIMEOUT", text)]).unwrap();
        assert_eq!(config.drain_timeout(), Duration::from_millis(millis), "{text}");
    }
    for text in [
        "soon",
        "-1",
        "+1",
        "1e3",
        "inf",
        "NaN",
        "1.",
        ".5",
        "1.2.3",
        "s",
        "5M",
        "5 min",
        "1d",
        "0x10",
        "99999999999999999999",
        "18446744073709551615h",
        "8761h",
        "0.0000000001",
        "１",
        " ",
    ] {
        assert!(with(&[("WS_DRAIN_TIMEOUT", text)]).is_err(), "{text:?}");
    }
}

#[test]
fn a_duration_that_is_shown_is_read_as_the_same() {
    for nanos in [0, 1, 999, 1_000_000, 1_500_000, 1_000_000_000, 90_000_000_001, 3_600_000_000_000] {
        let duration = Duration::from_nanos(nanos);
        assert_eq!(units::parse_duration(&units::show_duration(duration)), Some(duration));
    }
    assert_eq!(units::parse_duration(&units::show_duration(Duration::MAX)), Some(Duration::MAX));
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    for (text, bytes) in [
        ("1", 1),
        ("10485760", 10_485_760),
        ("64KiB", 65_536),
        ("16 mib", 16 << 20),
        ("1GiB", 1 << 30),
        ("500KB", 500_000),
        ("16MB", 16_000_000),
        ("1GB", 1_000_000_000),
    ] {
        assert_eq!(with(&[("WS_MAX_MESSAGE_SIZE", text)]).unwrap().max_message_size(), bytes);
    }
    for text in ["0", "0MiB", "-1", "+1", "1.5MiB", "1K", "MiB", "2GiB", "99999999999999999GiB", "10_000"] {
        assert!(with(&[("WS_MAX_MESSAGE_SIZE", text)]).is_err(), "{text:?}");
    }
    for (text, bytes) in [("off", None), ("64MiB", Some(64 << 20)), ("1024GiB", Some(1 << 40))] {
        assert_eq!(with(&[("WS_MAX_UNFINISHED_BYTES", text)]).unwrap().max_unfinished_bytes(), bytes);
    }
    assert!(with(&[("WS_MAX_UNFINISHED_BYTES", "1025GiB")]).is_err());
}

#[test]
fn flags_levels_and_backends_are_taken_in_any_case() {
    for text in ["true", "TRUE", "1", "Yes", "on"] {
        assert!(with(&[("LOG_STATS", text)]).unwrap().log_stats(), "{text}");
    }
    for text in ["false", "False", "0", "NO", "off"] {
        assert!(!with(&[("WS_ENABLE_HEARTBEAT", text)]).unwrap().enable_heartbeat(), "{text}");
    }
    for (text, level, directive) in [
        ("trace", LogLevel::Trace, "trace"),
        ("Debug", LogLevel::Debug, "debug"),
        ("INFO", LogLevel::Info, "info"),
        ("warn", LogLevel::Warn, "warn"),
        ("WARNING", LogLevel::Warn, "warn"),
        ("ERROR", LogLevel::Error, "error"),
        ("critical", LogLevel::Critical, "error"),
    ] {
        let config = with(&[("LOG_LEVEL", text)]).unwrap();
        assert_eq!(config.log_level(), level);
        let filter: tracing::level_filters::LevelFilter = config.log_level().to_string().parse().unwrap();
        assert_eq!(filter.to_string(), directive);
    }
    assert_eq!(with(&[("BACKEND_TYPE", "REDIS")]).unwrap().backend_type(), BackendType::Redis);
    for (name, text) in [("LOG_STATS", "2"), ("LOG_LEVEL", "FATAL"), ("BACKEND_TYPE", "sqlite")] {
        assert!(with(&[(name, text)]).is_err());
    }
}

#[test]
fn nonsense_is_refused_from_the_environment_and_from_code() {
    let zeros = VARIABLES.iter().filter(|variable| with(&[(variable.name, "0")]).is_err());
    assert_eq!(
        zeros.map(|variable| variable.name).collect::<Vec<_>>(),
        [
            "BACKEND_TYPE",
            "REDIS_URL",
            "REDIS_REGISTRY_EXPIRY",
            "REDIS_GROUP_EXPIRY",
            "REDIS_LIMIT_FALLBACK",
            "WS_HEARTBEAT_INTERVAL",
            "WS_HEARTBEAT_TIMEOUT",
            "WS_MAX_MESSAGE_SIZE",
            "WS_MAX_UNFINISHED_BYTES",
            "WS_COMPRESSION_MIN_BYTES",
            "WS_OUTBOX_MESSAGES",
            "WS_OUTBOX_BYTES",
            "WS_MESSAGE_TIMEOUT",
            "WS_HANDLER_TIMEOUT",
            "WS_DISCONNECT_TIMEOUT",
            "WS_RECONNECT_RATE",
            "WS_RATE_LIMITS",
            "WS_ALLOWED_ORIGINS",
            "WS_TRUSTED_PROXIES",
            "WS_CONNECTIONS_PER_ADDRESS",
            "WS_HANDSHAKES_PER_ADDRESS",
            "WS_HANDSHAKES_PER_USER",
            "WS_FRAMES_PER_CONNECTION",
            "WS_FRAMES_PER_USER",
            "WS_FRAMES_PER_ADDRESS",
            "WS_BYTES_PER_CONNECTION",
            "WS_BYTES_PER_USER",
            "WS_BYTES_PER_ADDRESS",
            "WS_GROUPS_PER_CONNECTION",
            "WS_MAX_PAYLOAD_DEPTH",
            "WS_OBSERVE_ONLY",
            "MAX_CONNECTIONS_PER_CLIENT",
            "MAX_TOTAL_CONNECTIONS",
            "MAX_TOTAL_GROUPS",
            "LOG_LEVEL",
        ]
    );
    let error = Config::builder()
        .redis_url("")
        .redis_channel_prefix("a{b")
        .redis_group_expiry(Duration::MAX)
        .outbox_messages(0)
        .rate_limits([("a b", "1/1s".parse().unwrap())])
        .server_instance_id("a\nb")
        .build()
        .unwrap_err();
    assert!(error.variables().eq([
        "REDIS_URL",
        "REDIS_CHANNEL_PREFIX",
        "REDIS_GROUP_EXPIRY",
        "WS_OUTBOX_MESSAGES",
        "WS_RATE_LIMITS",
        "SERVER_INSTANCE_ID",
    ]));
    for id in ["", " ", "a ", "\u{7f}", &"x".repeat(129)] {
        assert!(Config::builder().server_instance_id(id).build().is_err());
    }
}

#[test]
fn the_timeout_is_longer_than_the_interval_while_heartbeats_are_on() {
    assert_eq!(
        refused(&[("WS_HEARTBEAT_INTERVAL", "60")]),
        "WS_HEARTBEAT_TIMEOUT=\"1m\" is not valid: expected more than WS_HEARTBEAT_INTERVAL (1m) \
         while heartbeats are on"
    );
    assert!(with(&[("WS_HEARTBEAT_INTERVAL", "60"), ("WS_HEARTBEAT_TIMEOUT", "60.001")]).is_ok());
    assert!(with(&[("WS_HEARTBEAT_INTERVAL", "60"), ("WS_ENABLE_HEARTBEAT", "no")]).is_ok());
}

#[test]
fn rates_are_read_strictly() {
    for text in [
        "posting",
        "posting=",
        "posting=100",
        "posting=0/1s",
        "posting=1/0s",
        "=1/1s",
        "a b=1/1s",
        "a=1/1s,",
        "a=1/1s,a=2/1s",
        "a=4294967296/1s",
        "a=1/1s/1s",
        "a=-1/1s",
        "a=1/9000h",
        "a=1.5/1s",
    ] {
        assert!(with(&[("WS_RATE_LIMITS", text)]).is_err(), "{text:?}");
    }
    for text in ["100/1s", "5/500ms", "1/90s", "4294967295/8760h", "1/1.0015s"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
    assert_eq!(
        Rate::new(0, Duration::from_secs(60)).unwrap_err().to_string(),
        "\"0/1m\" is not valid: expected count/period (100/1s, 5/500ms), a count from 1, a \
         period from 1ms to 8760h"
    );
}

#[test]
fn what_may_be_off_is_off_again_and_a_flow_has_a_size() {
    let own =
        || Config::builder().connections_per_address(5).bytes_per_user(Rate::new(1, Duration::from_secs(1)).unwrap());
    assert_eq!(own().build().unwrap().connections_per_address(), Some(5));
    let off = own().vars([("WS_CONNECTIONS_PER_ADDRESS", "OFF"), ("WS_BYTES_PER_USER", " off ")]).unwrap();
    let off = off.build().unwrap();
    assert_eq!((off.connections_per_address(), off.bytes_per_user()), (None, None));
    for (text, count, shown) in
        [("1MiB/1s", 1 << 20, "1MiB/1s"), ("65536 / 500ms", 65536, "64KiB/500ms"), ("1000/2m", 1000, "1000/2m")]
    {
        let config = with(&[("WS_BYTES_PER_CONNECTION", text)]).unwrap();
        assert_eq!(config.bytes_per_connection().unwrap().count().get(), count, "{text}");
        assert!(format!("{config:?}").contains(shown), "{shown}");
    }
    for text in ["1MiB", "1MiB/", "/1s", "0/1s", "4GiB/1s", "1MiB/0s", "1MiB/1d", "on", "-1/1s"] {
        assert!(with(&[("WS_BYTES_PER_CONNECTION", text)]).is_err(), "{text}");
    }
    for text in ["20", "0/1s", "1MiB/1s", "20/1s,30/1s"] {
        assert!(with(&[("WS_FRAMES_PER_USER", text)]).is_err(), "{text}");
    }
}

#[test]
fn lists_are_read_whole_or_not_at_all() {
    let config = with(&[("WS_TRUSTED_PROXIES", " 10.1.2.3/8, ::1 ,::ffff:192.0.2.1")]).unwrap();
    let shown: Vec<_> = config.trusted_proxies().iter().map(Network::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "::1", "192.0.2.1"]);
    for text in ["10.0.0.0/33", "10.0.0.0/8,", "localhost", "10.0.0", "10.0.0.0-10.0.0.9", "::ffff:10.0.0.0/104", "*"] {
        assert!(with(&[("WS_TRUSTED_PROXIES", text)]).is_err(), "{text}");
    }
    let config = with(&[("WS_OBSERVE_ONLY", "Payload_Depth, frames_per_user")]).unwrap();
    assert_eq!(config.observe_only(), &BTreeSet::from([LimitName::FramesPerUser, LimitName::PayloadDepth]));
    let all = with(&[("WS_OBSERVE_ONLY", "ALL")]).unwrap();
    for limit in LimitName::ALL {
        let is_rate_or_address =
            ["address", "handshakes", "frames", "bytes_per"].iter().any(|it| limit.as_str().contains(it));
        assert_eq!(all.observe_only().contains(&limit), is_rate_or_address, "{limit}: what protects by default stays");
    }
    let undone = Config::builder().observe_only(LimitName::ALL).vars([("WS_OBSERVE_ONLY", "none")]).unwrap();
    assert!(undone.build().unwrap().observe_only().is_empty());
    for text in ["payload_depth,", "depth", "all,payload_depth"] {
        let error = with(&[("WS_OBSERVE_ONLY", text)]).unwrap_err().to_string();
        assert!(error.contains("frames_per_connection"), "{error}");
    }
}

#[test]
fn the_names_of_limits_are_in_the_order_of_their_indices() {
    for (index, limit) in LimitName::ALL.into_iter().enumerate() {
        assert_eq!((limit.index(), limit.as_str().parse::<LimitName>().unwrap()), (index, limit));
    }
}
