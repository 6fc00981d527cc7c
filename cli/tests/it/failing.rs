//! What makes no sense is 2, what cannot be done is 1, each with words and without a secret.

use std::time::{Duration, Instant};

use channels_tests::redis::RedisServer;

use crate::command::{channels, read, run, run_with_input};

const SECRET: &str = "correct-horse-battery";
const NOWHERE: &str = "redis://127.0.0.1:1/0";

#[test]
fn what_makes_no_sense_is_2_and_says_how_to_do_it() {
    for (arguments, words) in [
        (&[][..], "a command is missing"),
        (&["sned"], "sned"),
        (&["send", "--all"], "--type"),
        (&["send", "--all", "--type", "$ok"], "framework"),
        (&["send", "--all", "--type", "error"], "framework"),
        (&["send", "--all", "--type", "pong"], "framework"),
        (&["send", "--all", "--type", "x", "--data", "{"], "JSON"),
        (&["send", "--type", "x"], "--group"),
        (&["listen"], "--group"),
        (&["status", "--yaml"], "--yaml"),
    ] {
        let (code, output, said) = run(NOWHERE, arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(said.contains(words) && said.contains("usage: channels"), "{arguments:?}: {said}");
    }
    for input in ["", "{"] {
        let (code, _, said) = run_with_input(NOWHERE, &["send", "--all", "--type", "x", "--data", "-"], input);
        assert_eq!((code, said.contains("JSON")), (2, true), "{said}");
    }
}

#[test]
fn help_and_version_are_output() {
    for arguments in [&["--help"][..], &["-h"], &["help"], &["send", "--help"], &["listen", "-h"]] {
        let (code, output, said) = run(NOWHERE, arguments);
        assert_eq!((code, said.as_str()), (0, ""), "{arguments:?}");
        assert!(output.contains("usage: channels") && output.contains("REDIS_URL"), "{output}");
    }
    let (code, output, _) = run(NOWHERE, &["--version"]);
    assert_eq!((code, output), (0, format!("channels {}\n", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_cannot_be_used_is_1_within_15_s_and_without_the_password() {
    let redis = RedisServer::options().user("ada", "another").start();
    let wrong = format!("redis://ada:{SECRET}@{}", redis.address());
    let nowhere = format!("redis://ada:{SECRET}@127.0.0.1:1");
    for (url, words) in [(wrong, "WRONGPASS"), (nowhere, "refused")] {
        let began = Instant::now();
        let commands = [&["status"][..], &["send", "--all", "--type", "x"], &["listen", "--all"]];
        let children = commands.map(|arguments| {
            let mut command = channels(&url);
            command.args(arguments).env("RUST_LOG", "trace").env("LOG_LEVEL", "trace");
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        });
        for child in children {
            let (code, output, said) = read(&child.wait_with_output().unwrap());
            assert_eq!((code, output.as_str()), (1, ""), "{said}");
            assert!(said.contains("REDIS_URL=redis://***@127.0.0.1") && said.contains(words), "{said}");
            assert!(!said.contains(SECRET) && said.lines().count() == 1, "{said}");
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}

#[test]
fn a_wrong_variable_is_1_and_named() {
    let (code, output, said) = run("http://x", &["status"]);
    assert_eq!((code, output.as_str()), (1, ""), "{said}");
    assert!(said.contains("REDIS_URL"), "{said}");
}
