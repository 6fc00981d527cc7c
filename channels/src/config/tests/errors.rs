//! What an error says.

use super::*;

#[test]
fn all_wrong_values_are_reported_at_once() {
    let text = refused(&[
        ("WS_HEARTBEAT_INTERVAL", "soon"),
        ("WS_HEARTBEAT_TIMEOUT", "10s"),
        ("MAX_TOTAL_GROUPS", "many"),
        ("LOG_STATS", "perhaps"),
    ]);
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "WS_HEARTBEAT_INTERVAL=\"soon\" is not valid: expected seconds (30, 0.5) or a duration \
             with unit (500ms, 30s, 5m), from 1ms to 8760h",
            "MAX_TOTAL_GROUPS=\"many\" is not valid: expected a whole number of groups, from 1 to \
             4294967295",
            "LOG_STATS=\"perhaps\" is not valid: expected true or false (also 1, 0, yes, no, on, \
             off)",
        ]
    );
}

#[test]
fn a_wrong_relation_is_reported_beside_a_wrong_value() {
    let error = Config::builder().vars([("WS_HEARTBEAT_TIMEOUT", "10s"), ("LOG_STATS", "perhaps")]).unwrap_err();
    assert!(error.variables().eq(["LOG_STATS", "WS_HEARTBEAT_TIMEOUT"]));
}

#[test]
fn a_long_value_is_cut_and_a_strange_one_is_escaped() {
    let text = refused(&[("LOG_LEVEL", &"é\n".repeat(1000))]);
    assert!(text.starts_with("LOG_LEVEL=\"é\\né\\n"), "{text}");
    assert!(text.lines().count() == 1 && text.chars().count() < 300, "{text}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![b'a', 0xff]);
    let error = Config::builder()
        .vars([
            (OsString::from("WS_DRAIN_TIMEOUT"), broken()),
            (OsString::from("REDIS_URL"), broken()),
            (OsString::from("LANGUAGE"), broken()),
            (broken(), broken()),
        ])
        .unwrap_err();
    assert!(error.variables().eq(["REDIS_URL", "WS_DRAIN_TIMEOUT"]));
    assert!(error.to_string().starts_with("REDIS_URL is not valid UTF-8: expected redis://"));
}

#[test]
fn an_error_can_cross_threads_and_debug_reads_like_display() {
    fn is_error<E: std::error::Error + Send + Sync + 'static>(_: &E) {}
    let error = with(&[("LOG_STATS", "perhaps")]).unwrap_err();
    is_error(&error);
    assert_eq!(format!("{error:?}"), error.to_string());
}
