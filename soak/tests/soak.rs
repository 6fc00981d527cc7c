//! The soak in its short form, with either backend: nothing is left but memory, which seconds say nothing about.

use channels_soak::actors;
use channels_soak::run::{Form, run};

#[tokio::main]
async fn soaks(with_redis: bool) {
    let form = Form { with_redis, ..Form::quick(env!("CARGO_BIN_EXE_channels-soak").into()) };
    let report = run(&form, |_| ()).await;
    assert!(report.failures().is_empty(), "{report}");
    for actor in actors::ALL {
        assert!(report.counts.parts.contains_key(actor.name), "{} has done nothing: {report}", actor.name);
    }
    // What is to happen has happened: otherwise that it was counted says nothing.
    for code in [1000, 1002, 1007, 1009, 1013, 4408, 4413] {
        assert!(report.counts.closed.contains_key(&code), "nobody was closed with {code}: {report}");
    }
    assert!(report.counts.refused.contains_key(&429), "{report}");
    assert!(report.counts.cut > 0 && report.counts.errors > 0, "{report}");
}

#[test]
fn nothing_is_left_in_memory() {
    soaks(false);
}

#[test]
fn nothing_is_left_in_redis() {
    soaks(true);
}
