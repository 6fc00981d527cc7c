//! How much one address, one user and one connection may: each limit refuses, and looks on where it is told to.

mod address;
mod arriving;
mod first_frame;
mod frames;
mod given_back;
mod groups;
mod handshakes;
mod observing;
mod places;
mod shape;
mod unfinished;

use channels::{Config, LimitName};
use channels_tests::probe::{Stage, World};

fn config(vars: &[(&str, &str)]) -> Config {
    Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap()
}

/// A stage with these variables.
fn stage(vars: &[(&str, &str)]) -> Stage {
    Stage::with(World::default(), config(vars))
}

/// A stage where a limit only looks on.
fn observing(limit: LimitName, var: &str, value: &str) -> Stage {
    stage(&[(var, value), ("WS_OBSERVE_ONLY", limit.as_str())])
}

/// What a limit refused, and what it would have.
fn counted(stage: &Stage, limit: LimitName) -> (u64, u64) {
    let stats = stage.layer.stats();
    (stats.refused_by(limit), stats.observed(limit))
}
