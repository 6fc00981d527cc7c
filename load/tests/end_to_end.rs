//! The load against a fake chat: it passes where all is well, and each thing that goes wrong is noticed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// Ten people in crowded rooms, for a second. How long a message takes depends on what else the machine does
/// while the tests run, so that is judged in its own test only.
const SMALL: &str =
    "--connections 10 --rooms 5 --rooms-per-connection 3 --rate 100 --seconds 1 --characters 500 --p99-ms 20000";

/// `cargo test` builds the examples of the package beside its tests.
fn fake_chat() -> PathBuf {
    let fake = PathBuf::from(env!("CARGO_BIN_EXE_channels-load")).with_file_name("examples").join("fake_chat");
    assert!(fake.exists(), "{} is missing: cargo build -p channels-load --examples", fake.display());
    fake
}

fn load(fault: &str, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_channels-load"))
        .args(SMALL.split(' '))
        .args(arguments.split_whitespace())
        .arg("--server")
        .arg(fake_chat())
        .arg("--env")
        .arg(format!("FAKE_FAULT={fault}"))
        .output()
        .unwrap()
}

#[track_caller]
fn notices(fault: &str, words: &str) {
    let output = load(fault, "");
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.lines().any(|line| line.starts_with("FAILED") && line.contains(words)), "{report}");
    assert!(!report.contains("passed"), "{report}");
}

#[test]
fn where_all_is_well_it_passes() {
    let output = load("", "");
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("100 sent") && report.contains("passed"), "{report}");
}

#[test]
fn a_lost_message_is_noticed() {
    notices("lose", "lost: 1");
}

#[test]
fn a_message_that_comes_twice_is_noticed() {
    notices("duplicate", "delivered twice: 1");
}

#[test]
fn a_message_that_comes_after_a_later_one_is_noticed() {
    notices("misorder", "misordered: 1");
}

#[test]
fn members_that_see_different_orders_are_noticed() {
    notices("disagree", "members disagree on the order: 1");
}

#[test]
fn a_changed_text_is_noticed() {
    notices("alter", "corrupted or misdirected: 1");
}

#[test]
fn an_error_frame_is_noticed() {
    notices("error", "error frames: 1");
}

#[test]
fn a_close_is_noticed() {
    notices("close", "unexpected closes: 1");
}

#[test]
fn a_server_that_dies_is_noticed() {
    notices("die", "the server process");
}

#[test]
fn a_server_that_keeps_what_has_gone_is_noticed() {
    notices("ghost", "the server process: 1");
}

#[test]
fn a_server_that_ends_with_an_error_is_noticed() {
    notices("exit", "the server process: 1");
}

#[test]
fn a_slow_answer_is_noticed() {
    let output = load("", "--p99-ms 0");
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("is not below 0ns"), "{report}");
}

#[test]
fn what_cannot_begin_says_why() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_channels-load")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = run(&["--server", "/nowhere/chat"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("cargo build --release -p chat"), "{words}");
    let (code, words) = run(&["--quick", "--server", "/bin/false"]);
    assert_eq!(code, Some(1));
    assert!(words.contains("ended while starting"), "{words}");
    let (code, words) = run(&["--rate", "fast"]);
    assert_eq!(code, Some(2));
    assert!(words.contains("usage: channels-load"), "{words}");
}
