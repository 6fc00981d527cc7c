//! From what the layer counts to the facade.

use std::sync::atomic::Ordering;

use ::metrics::{Label, SharedString, counter, gauge, histogram};

use super::names;
use crate::backend::Health;
use crate::close::{CloseCode, ClosedBy};
use crate::config::LimitName;
use crate::error::ErrorCode;
use crate::layer::ChannelLayer;
use crate::stats::Stats;
use crate::timings::{Histogram, MOST_NEWS, Timings};

pub(super) fn publish(layer: &ChannelLayer) {
    server(layer);
    statistics(layer.stats());
    timings(&layer.manager().counters.timings);
    backend(&layer.health());
}

fn count(name: &'static str, labels: Vec<Label>, value: u64) {
    counter!(name, labels).absolute(value);
}

/// A gauge is a floating-point number; beyond 2^53 it is near enough.
fn level(name: &'static str, value: usize) {
    gauge!(name).set(value as f64);
}

fn label(name: &'static str, value: impl Into<SharedString>) -> Label {
    Label::new(name, value)
}

fn server(layer: &ChannelLayer) {
    let server = layer.config().server_instance_id().to_owned();
    let labels = vec![
        label("server", server),
        label("backend", layer.backend_name()),
        label("version", env!("CARGO_PKG_VERSION")),
    ];
    gauge!(names::INFO, labels).set(1.0);
    gauge!(names::UPTIME).set(layer.uptime().as_secs_f64());
    level(names::DRAINING, layer.manager().is_draining().into());
}

/// Whoever adds a number to [`Stats`] names it here, in `names.rs` and in `docs/metrics.md`.
fn statistics(stats: Stats) {
    let Stats {
        connections,
        users,
        groups,
        unfinished_bytes,
        connections_total,
        messages_in,
        messages_out,
        bytes_in,
        bytes_out,
        dropped,
        conflated,
        expired,
        refused,
        refused_for_origin,
        refused_for_user_limit,
        refused_for_total_limit,
        refused_for_drain,
        refused_for_backend,
        refused_joins,
        revoked,
        lost,
        timed_out,
        too_slow,
        protocol_errors,
        errors_by_code,
        closed_by_code,
        flooded,
        refused_by_limit,
        observed_by_limit,
    } = stats;
    for (name, value) in [
        (names::CONNECTIONS, connections),
        (names::USERS, users),
        (names::GROUPS, groups),
        (names::UNFINISHED_BYTES, unfinished_bytes),
    ] {
        level(name, value);
    }
    for (name, value) in [
        (names::CONNECTED, connections_total),
        (names::MESSAGES_IN, messages_in),
        (names::MESSAGES_OUT, messages_out),
        (names::BYTES_IN, bytes_in),
        (names::BYTES_OUT, bytes_out),
        (names::DROPPED, dropped),
        (names::CONFLATED, conflated),
        (names::EXPIRED, expired),
        (names::REFUSED_JOINS, refused_joins),
        (names::REVOKED, revoked),
        (names::LOST, lost),
        (names::TIMED_OUT, timed_out),
        (names::TOO_SLOW, too_slow),
        (names::PROTOCOL_ERRORS, protocol_errors),
        (names::FLOODED, flooded),
    ] {
        count(name, Vec::new(), value);
    }
    let handshakes = [LimitName::HandshakesPerAddress, LimitName::HandshakesPerUser];
    let handshakes = handshakes.map(|limit| refused_by_limit[limit.index()]).iter().sum();
    reasons(
        refused,
        &[
            ("origin", refused_for_origin),
            ("address_limit", refused_by_limit[LimitName::ConnectionsPerAddress.index()]),
            ("handshakes", handshakes),
            ("user_limit", refused_for_user_limit),
            ("total_limit", refused_for_total_limit),
            ("drain", refused_for_drain),
            ("backend", refused_for_backend),
        ],
    );
    for (code, value) in ErrorCode::ALL.into_iter().zip(errors_by_code) {
        let labels = vec![label("category", code.category().as_str()), label("code", code.as_str())];
        count(names::ERRORS, labels, value);
    }
    for limit in LimitName::ALL {
        let labels = || vec![label("limit", limit.as_str())];
        count(names::LIMIT_REFUSED, labels(), refused_by_limit[limit.index()]);
        count(names::LIMIT_OBSERVED, labels(), observed_by_limit[limit.index()]);
    }
    closed(closed_by_code);
}

/// Refusals by their reason; those that no reason is counted for are `other`.
fn reasons(refused: u64, by_reason: &[(&'static str, u64)]) {
    let known: u64 = by_reason.iter().map(|(_, value)| value).sum();
    for (reason, value) in by_reason.iter().copied().chain([("other", refused.saturating_sub(known))]) {
        count(names::REFUSED, vec![label("reason", reason)], value);
    }
}

/// Only what happened: most pairs never do.
fn closed(by_code: [[u64; CloseCode::NAMED.len() + 1]; ClosedBy::ALL.len()]) {
    let codes = CloseCode::NAMED.into_iter().map(|code| code.to_string()).chain(["other".to_owned()]);
    let codes: Vec<String> = codes.collect();
    for (by, values) in ClosedBy::ALL.into_iter().zip(by_code) {
        let by = match by {
            ClosedBy::Client => "client",
            ClosedBy::Server => "server",
            ClosedBy::Lost => "lost",
        };
        for (code, value) in codes.iter().zip(values).filter(|(_, value)| *value > 0) {
            count(names::CLOSED, vec![label("closed_by", by), label("code", code.clone())], value);
        }
    }
}

fn timings(timings: &Timings) {
    level(names::QUEUED_MESSAGES, timings.queued.0.load(Ordering::Relaxed));
    level(names::QUEUED_BYTES, timings.queued.1.load(Ordering::Relaxed));
    for (kind, of_kind) in timings.handlers() {
        durations(names::HANDLER, vec![label("type", kind)], &of_kind);
    }
    for (kind, of_kind) in timings.sends() {
        durations(names::SEND, vec![label("to", kind)], of_kind);
    }
    durations(names::WAITED, Vec::new(), &timings.waited);
}

/// Each value is told as the mean of its bucket since the last time: so a recorder with the same [buckets](super::BUCKETS)
/// has the exact counts and the exact sum, and any other is off by no more than a bucket is wide. The facade hands values over
/// one by one, and a recorder may keep each of them: there are never more at once than [`MOST_NEWS`] a bucket.
fn durations(name: &'static str, labels: Vec<Label>, of: &Histogram) {
    let recorder = histogram!(name, labels);
    for bucket in of.news(MOST_NEWS).buckets() {
        let mean = bucket.nanos as f64 / bucket.count as f64 / 1e9;
        recorder.record_many(mean, usize::try_from(bucket.count).unwrap_or(usize::MAX));
    }
}

fn backend(health: &Health) {
    level(names::BACKEND_CONNECTED, health.connected.into());
    level(names::BACKEND_SUBSCRIPTIONS, health.subscriptions);
    level(names::BACKEND_PENDING, health.pending);
    count(names::BACKEND_INTERRUPTIONS, Vec::new(), health.interruptions);
    count(names::BACKEND_FOREIGN, Vec::new(), health.foreign);
}
