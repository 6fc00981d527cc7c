//! What a server tells of itself.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use channels::backend::Event;
use channels::{Category, ChannelLayer, Stats, UserId};
use serde_json::{Value, json};

use crate::clock::now;
use crate::servers::RUNS;
use crate::told::{Happened, Reported};
use crate::wire::Ordered;

/// What the endpoints share.
#[derive(Clone)]
pub(super) struct App {
    layer: ChannelLayer,
    reported: Arc<Mutex<Vec<Reported>>>,
}

impl App {
    /// Watches the events of the layer from now on.
    pub(super) fn new(layer: ChannelLayer) -> Self {
        let app = Self { layer, reported: Arc::default() };
        let (mut events, reported) = (app.layer.events(), Arc::clone(&app.reported));
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                reported.lock().unwrap_or_else(PoisonError::into_inner).push(read(event));
            }
        });
        app
    }

    /// Notes that an order is carried out here, where a server that is killed right afterwards leaves it.
    pub(super) fn carries_out(&self) -> io::Result<Ordered> {
        let ordered = Ordered { server: std::process::id(), began: now() };
        let runs = std::env::var_os(RUNS).ok_or_else(|| io::Error::other("nobody counts runs"))?;
        let mut runs = OpenOptions::new().create(true).append(true).open(runs)?;
        // One write, as another process may note its own.
        runs.write_all(format!("{}\n", json!(ordered)).as_bytes())?;
        Ok(ordered)
    }
}

impl axum::extract::FromRef<App> for () {
    fn from_ref(_: &App) {}
}

fn read(event: Event) -> Reported {
    let (happened, interruption) = match event {
        Event::Interrupted(interruption) => (Happened::Interrupted, interruption),
        Event::Restored(interruption) => (Happened::Restored, interruption),
        _ => return Reported::missed(),
    };
    Reported {
        happened,
        id: interruption.id,
        server: interruption.server,
        cause: interruption.cause,
        since: millis(interruption.since),
        until: interruption.until.map(millis),
    }
}

pub(super) async fn ready(State(app): State<App>) -> impl IntoResponse {
    app.layer.ready().map(|()| "ready")
}

pub(super) async fn interruptions(State(app): State<App>) -> Json<Vec<Reported>> {
    Json(app.reported.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Value>, channels::Error> {
    let (counts, health, stats) = (app.layer.counts().await?, app.layer.health(), app.layer.stats());
    Ok(Json(json!({
        "servers": counts.servers,
        "connections": counts.connections,
        "users": counts.users,
        "here": { "connections": stats.connections, "users": stats.users, "groups": stats.groups,
            "dropped": stats.dropped, "too_slow": stats.too_slow, "lost": stats.lost,
            "connections_total": stats.connections_total, "refused": stats.refused, "timed_out": stats.timed_out,
            "protocol_errors": stats.protocol_errors, "messages_in": stats.messages_in,
            "messages_out": stats.messages_out, "errors": errors(&stats) },
        "health": { "connected": health.connected, "reason": health.reason, "since": millis(health.since),
            "subscriptions": health.subscriptions, "pending": health.pending, "foreign": health.foreign },
    })))
}

fn errors(stats: &Stats) -> BTreeMap<&'static str, u64> {
    Category::ALL.into_iter().map(|category| (category.as_str(), stats.errors(category))).collect()
}

pub(super) async fn group(State(app): State<App>, Path(group): Path<String>) -> Result<Json<usize>, channels::Error> {
    app.layer.group_len(&group).await.map(Json)
}

pub(super) async fn user(State(app): State<App>, Path(user): Path<UserId>) -> Result<Json<usize>, channels::Error> {
    app.layer.user_len(&user).await.map(Json)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
