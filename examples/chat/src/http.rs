//! REST: history, files, and sending from outside the sockets.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use channels::{ChannelLayer, Error, OrInternal, Outgoing, Receipt, UserId};
use garde::Validate;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::app::AppState;
use crate::asked::{Named, Parameters, named};
use crate::clock::now;
use crate::messages::{BackgroundUpdate, Notice, Posted, RoomName, ServerMessage};
use crate::{files, rooms};

/// How long a request waits for the backend before it is answered 503.
const SEND_TIMEOUT: Duration = Duration::from_secs(4);
/// The largest text, in characters, as over the socket.
const MAX_TEXT_CHARS: usize = 100_000;
/// The largest JSON object for a group, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/rooms/{room}/messages", get(history))
        .route("/api/files/{id}", get(files::download))
        .route("/api/announce", post(announce))
        .route("/api/room/{room}/message", post(post_message))
        .route("/api/user/{user}/notification", post(notify))
        .route("/api/group/{group}/message", post(update_group))
        .route("/api/status", get(status))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// A parameter that must be there and say something.
fn required(parameters: &Parameters, name: &str) -> Result<String, Error> {
    let value = parameters.0.get(name).map(|value| value.trim());
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| Error::validation(name, "is missing or empty"))?;
    if value.chars().count() > MAX_TEXT_CHARS {
        return Err(Error::validation(name, format!("has more than {MAX_TEXT_CHARS} characters")));
    }
    Ok(value.to_owned())
}

/// A room's name, by the rule that holds over the socket.
fn room_name(room: &str) -> Result<String, Error> {
    let room = RoomName(room.trim().to_owned());
    match room.validate() {
        Ok(()) => Ok(room.0),
        Err(report) => Err(Error::validation("room", report.to_string().trim().trim_start_matches(": "))),
    }
}

fn user_id(name: &str, value: String) -> Result<UserId, Error> {
    UserId::new(value).map_err(|error| Error::validation(name, error.to_string()))
}

/// A send that answers in time, whatever the backend does.
pub(crate) async fn in_time(send: impl Future<Output = Result<Receipt, Error>>) -> Result<Receipt, Error> {
    let late = || Error::backend("The message could not be sent in time.");
    tokio::time::timeout(SEND_TIMEOUT, send).await.unwrap_or_else(|_| Err(late()))
}

async fn history(State(app): State<AppState>, room: Named, parameters: Parameters) -> Result<Response, Error> {
    let room = named("room", room)?;
    let limit = match parameters.0.get("limit") {
        None => 50,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| Error::validation("limit", "must be a whole number from 1 to 1000"))?,
    };
    let messages = app.store.history(&room, limit).await.or_internal()?;
    let count = messages.len();
    Ok(axum::Json(json!({ "room": room, "messages": messages, "count": count })).into_response())
}

async fn announce(State(app): State<AppState>, parameters: Parameters) -> Result<Response, Error> {
    let message = required(&parameters, "message")?;
    let notice = Notice { message: message.clone(), timestamp: now() };
    in_time(app.layer.broadcast(ServerMessage::Announcement(notice))).await?;
    Ok(axum::Json(json!({ "status": "sent", "message": message })).into_response())
}

async fn post_message(State(app): State<AppState>, room: Named, parameters: Parameters) -> Result<Response, Error> {
    let room = room_name(&named("room", room)?)?;
    let user = user_id("user_id", required(&parameters, "user_id")?)?;
    let text = required(&parameters, "text")?;
    let (answer, answered) = oneshot::channel();
    tokio::spawn(save_and_send(app, room.clone(), user.clone(), text.clone(), answer));
    in_time(async { answered.await.unwrap_or_else(|_| Err(Error::internal("posting panicked"))) }).await?;
    Ok(axum::Json(json!({ "status": "sent", "room": room, "user_id": user, "text": text })).into_response())
}

/// A message that is not sent is not in the history either. In a task of its own, so that a request that is given up, by whoever
/// asked, in time or at a drain's deadline, leaves nothing half done: a write that has been asked for happens, whoever waits
/// for it. What nobody waits for any more when it has been saved is not sent.
///
/// Two things are left. Where nobody knows whether a message was sent ([`Delivery::Unknown`](channels::Delivery::Unknown)), members
/// may have seen what the history then lacks. And a process that ends between the two steps keeps what it did not send.
async fn save_and_send(
    app: AppState,
    room: String,
    user: UserId,
    text: String,
    answer: oneshot::Sender<Result<Receipt, Error>>,
) {
    let stored = match app.store.save_message(&room, user.as_str(), &text, now()).await.or_internal() {
        Ok(stored) => stored,
        Err(error) => return drop(answer.send(Err(error))),
    };
    let id = stored.id;
    let sent = if answer.is_closed() {
        Err(Error::backend("Nobody waits for the message any more."))
    } else {
        app.layer.send_to_group(&room, ServerMessage::from(Posted::from(stored))).await
    };
    if sent.is_err()
        && let Err(error) = app.store.delete_message(id).await
    {
        tracing::error!(%error, id, "a message that was not sent stays in the history");
    }
    // Who has gone need not know.
    let _ = answer.send(sent);
}

async fn notify(State(app): State<AppState>, user: Named, parameters: Parameters) -> Result<Response, Error> {
    let user = user_id("user", named("user", user)?)?;
    let message = required(&parameters, "message")?;
    let notice = Notice { message: message.clone(), timestamp: now() };
    in_time(app.layer.send_to_user(&user, ServerMessage::Notification(notice))).await?;
    Ok(axum::Json(json!({ "status": "sent", "user_id": user, "message": message })).into_response())
}

async fn update_group(
    State(app): State<AppState>,
    group: Named,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let group = named("group", group)?;
    let body = body.map_err(|refused| Error::validation("body", refused.body_text()))?;
    let data: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| Error::validation("body", "must be a JSON object"))?;
    let update = BackgroundUpdate { group: group.clone(), data: data.clone(), timestamp: now() };
    in_time(app.layer.send_to_group(&group, update_message(update))).await?;
    Ok(axum::Json(json!({ "status": "sent", "group": group, "data": data })).into_response())
}

fn update_message(update: BackgroundUpdate) -> impl Outgoing {
    ServerMessage::from(update)
}

/// The numbers of this server, and of all where there may be others. Also while the backend is away: whoever asks for
/// the status wants to see something then.
async fn status(State(app): State<AppState>, parameters: Parameters) -> Result<Response, Error> {
    let stats = app.layer.stats();
    let mut status = json!({
        "status": "active",
        "backend": app.layer.backend_name(),
        "server_instance_id": app.layer.config().server_instance_id(),
        "uptime_seconds": app.layer.uptime().as_secs(),
        "connections": stats.connections,
        "users": stats.users,
        "groups": stats.groups,
        "messages_in": stats.messages_in,
        "messages_out": stats.messages_out,
        "bytes_in": stats.bytes_in,
        "bytes_out": stats.bytes_out,
        "errors": stats.errors_total(),
    });
    if rooms::is_shared(&app.layer) {
        let asked = tokio::time::timeout(SEND_TIMEOUT, cluster(&app.layer, parameters.0.get("group"))).await;
        status["cluster"] = asked.ok().and_then(Result::ok).unwrap_or(Value::Null);
    }
    Ok(axum::Json(status).into_response())
}

/// What all servers have together, and in one group.
async fn cluster(layer: &ChannelLayer, group: Option<&String>) -> Result<Value, Error> {
    let members = async {
        match group {
            Some(group) => layer.group_len(group).await.map(Some),
            None => Ok(None),
        }
    };
    let (counts, members) = tokio::try_join!(layer.counts(), members)?;
    let mut cluster = json!({ "servers": counts.servers, "connections": counts.connections, "users": counts.users });
    if let Some(members) = members {
        cluster["members"] = members.into();
    }
    Ok(cluster)
}

/// 503 with the reason while draining, while the backend is not reachable, or while nothing can be stored.
async fn ready(State(app): State<AppState>) -> Result<&'static str, Error> {
    app.layer.ready()?;
    let stored = tokio::time::timeout(SEND_TIMEOUT, app.store.ping()).await;
    match stored {
        Ok(Ok(())) => Ok("ready"),
        Ok(Err(error)) => Err(Error::backend("The database does not answer.").with_source(error)),
        Err(_) => Err(Error::backend("The database does not answer in time.")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use axum::extract::Path;
    use rusqlite::Connection;

    use super::*;
    use crate::login::Logins;
    use crate::store::tests::{Folder, texts};

    /// How often is looked whether a message has gone.
    const LOOKS: usize = 10_000;

    async fn post(app: &AppState, text: &str) -> Result<Response, Error> {
        let query = [("user_id", "ada"), ("text", text)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        post_message(State(app.clone()), Ok(Path("rust".to_owned())), Parameters(query.into())).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_while_the_database_is_locked_is_not_in_the_history() {
        let folder = Folder::new();
        let app = AppState { store: folder.open(), layer: ChannelLayer::memory(), logins: Logins::default() };
        app.store.save_message("rust", "ada", "kept", 1.0).await.unwrap();
        let other = Connection::open(folder.file()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        // One is answered in time, the other is dropped with its request.
        assert_eq!(post(&app, "late").await.unwrap_err().into_response().status(), 503);
        tokio::select! {
            biased;
            _ = post(&app, "dropped") => panic!("the database is locked"),
            () = tokio::task::yield_now() => {}
        }
        other.execute_batch("COMMIT").unwrap();
        // Behind both in the writer's queue.
        app.store.see_user("bob", 1.0).await.unwrap();
        let mut looks = 0;
        while texts(&app.store, "rust").await != ["kept"] {
            looks += 1;
            assert!(looks < LOOKS, "{:?}", texts(&app.store, "rust").await);
        }
    }
}
