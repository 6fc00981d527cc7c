//! The server on the library's public API, written as an application would write it.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use channels::BackendType;
use channels::prelude::*;
use serde::{Deserialize, Serialize};

use super::Seats;
use crate::Failure;

/// More than any run opens: what is measured is the work, not a refusal.
const CONNECTIONS: usize = 1_000_000;
const GROUPS: usize = 10_000_000;

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    room: String,
    t: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct GroupText {
    group: String,
    t: String,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Membership {
    group: String,
}

#[derive(Debug, Incoming)]
enum ClientMessage {
    ChatMessage(Text),
    Echo(Text),
    GroupMessage(GroupText),
    Join(Membership),
    Leave(Membership),
}

#[derive(Debug, Outgoing)]
enum ServerMessage {
    ChatMessage(Text),
    Echo(Text),
    GroupMessage(GroupText),
}

struct Member {
    user: UserId,
    /// The group it is in from the beginning.
    home: Option<Arc<str>>,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Seats)]
impl Member {
    #[accept]
    fn accept(uri: Uri, State(seats): State<Seats>) -> Result<Self, StatusCode> {
        let seat = seats.take(uri.query());
        let user = UserId::new(format!("user-{}", seat.number)).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(Self { user, home: seat.home })
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        if let Some(home) = &self.home {
            conn.join(home).await?;
        }
        Ok(())
    }

    #[on("chat_message")]
    async fn chat_message(&self, text: Text, layer: ChannelLayer) -> Result<(), channels::Error> {
        if let Some(home) = &self.home {
            layer.send_to_group(home, ServerMessage::ChatMessage(text)).await?;
        }
        Ok(())
    }

    #[on("echo")]
    fn echo(&self, text: Text) -> ServerMessage {
        ServerMessage::Echo(text)
    }

    #[on("group_message")]
    async fn group_message(&self, text: GroupText, layer: ChannelLayer) -> Result<(), channels::Error> {
        let group = text.group.clone();
        layer.send_to_group(&group, ServerMessage::from(text)).await?;
        Ok(())
    }

    #[on("join")]
    async fn join(&self, membership: Membership, conn: Connection) -> Result<(), channels::Error> {
        conn.join(&membership.group).await?;
        Ok(())
    }

    #[on("leave")]
    fn leave(&self, membership: Membership, conn: Connection) {
        conn.leave(&membership.group);
    }
}

/// A layer as the environment says; it decides the backend. Who names a Redis means the one that several servers share.
///
/// # Errors
///
/// If a variable is wrong or the backend cannot be reached.
pub(super) async fn layer() -> Result<ChannelLayer, Failure> {
    let has_redis = std::env::var_os("REDIS_URL").is_some_and(|url| !url.is_empty());
    let backend = if has_redis { BackendType::Redis } else { BackendType::Memory };
    let config = Config::builder()
        .backend_type(backend)
        .max_connections_per_client(CONNECTIONS)
        .max_total_connections(CONNECTIONS)
        .max_total_groups(GROUPS)
        .env()?
        .build()?;
    Ok(ChannelLayer::connect(config).await?)
}

/// The consumer at `/ws`.
pub(super) fn router(layer: &ChannelLayer, seats: Seats) -> Router {
    Router::new().route("/ws", layer.serve::<Member>().into_route()).with_state(seats)
}
