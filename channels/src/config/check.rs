//! The checks of a whole configuration.

use super::error::Problem;
use super::settings::{Settings, VARIABLES};
use super::units::show_duration;

/// Every setting whose value is not allowed.
pub(super) fn each(settings: &Settings) -> Vec<Problem> {
    VARIABLES.iter().filter_map(|variable| variable.check(settings).err()).collect()
}

/// Adds what is wrong between settings that are right by themselves.
///
/// Where one of the two is wrong already, the settings hold another value than was asked for, and
/// a second line about it would mislead.
pub(super) fn relations(settings: &Settings, problems: &mut Vec<Problem>) {
    let pair = ["WS_HEARTBEAT_INTERVAL", "WS_HEARTBEAT_TIMEOUT", "WS_ENABLE_HEARTBEAT"];
    if problems.iter().filter_map(Problem::variable).any(|name| pair.contains(&name)) {
        return;
    }
    if settings.enable_heartbeat && settings.heartbeat_timeout <= settings.heartbeat_interval {
        problems.push(Problem::value(
            "WS_HEARTBEAT_TIMEOUT",
            &show_duration(settings.heartbeat_timeout),
            format!(
                "more than WS_HEARTBEAT_INTERVAL ({}) while heartbeats are on",
                show_duration(settings.heartbeat_interval)
            ),
        ));
    }
}
