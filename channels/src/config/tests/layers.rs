//! Which layer wins.

use super::*;

#[test]
fn the_environment_covers_the_file_which_covers_what_was_set_before() {
    let folder = Folder::new();
    let (file, problems) =
        folder.dotenv("WS_OUTBOX_MESSAGES=2\nWS_DRAIN_TIMEOUT=2s\nLOG_LEVEL=\nWS_HANDLER_TIMEOUT=2s\n");
    assert!(problems.is_empty());
    let environment =
        [("WS_DRAIN_TIMEOUT", "3s"), ("WS_HANDLER_TIMEOUT", ""), ("WS_DISCONNECT_TIMEOUT", "3s"), ("HOME", "/root")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let config = Config::builder()
        .outbox_messages(1)
        .drain_timeout(Duration::from_secs(1))
        .log_level(LogLevel::Error)
        .disconnect_timeout(Duration::from_secs(1))
        .overlay(env::layered(file, environment), Vec::new())
        .unwrap()
        .disconnect_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    assert_eq!(config.outbox_messages(), 2, "the file covers the code");
    assert_eq!(config.drain_timeout().as_secs(), 3, "the environment covers the file");
    assert_eq!(config.log_level(), LogLevel::Error, "empty in the file is unset");
    assert_eq!(config.handler_timeout().as_secs(), 2, "empty in the environment is unset");
    assert_eq!(config.disconnect_timeout().as_secs(), 4, "the last setter covers all");
}

#[test]
fn an_empty_value_is_unset_for_every_variable() {
    let empty: Vec<_> = VARIABLES.iter().map(|variable| (variable.name, "")).collect();
    let config = with(&empty).unwrap();
    assert_eq!(config.redis_url(), "redis://localhost:6379/0");
    assert_eq!(config.max_message_size(), 10_485_760);
}

#[test]
fn names_are_case_sensitive() {
    let config = with(&[("ws_outbox_messages", "7"), ("log_stats", "true")]).unwrap();
    assert_eq!(config.outbox_messages(), 1024);
    assert!(!config.log_stats());
}

#[test]
fn rates_are_overridden_by_name() {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let config = Config::builder()
        .rate_limits([("posting", rate("1/1s")), ("typing", rate("2/1s"))])
        .vars([("WS_RATE_LIMITS", " posting = 100 / 1s , joining=3/500ms")])
        .unwrap()
        .build()
        .unwrap();
    let limits: Vec<_> = config.rate_limits().iter().map(|(name, rate)| format!("{name}={rate}")).collect();
    assert_eq!(limits, ["joining=3/500ms", "posting=100/1s", "typing=2/1s"]);
}

#[test]
fn each_server_has_an_id_of_its_own() {
    let ids: BTreeSet<_> = (0..1000).map(|_| Config::default().server_instance_id().to_owned()).collect();
    assert_eq!(ids.len(), 1000);
    for id in ids {
        let digits = id.strip_prefix("server-").unwrap();
        assert_eq!(digits.len(), 12);
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
}
