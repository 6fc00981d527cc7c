//! What the server sends.

use channels::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::{HistoryEntry, StoredFile, StoredMessage};

/// Every message that the server sends.
#[derive(Debug, Outgoing)]
pub(crate) enum ServerMessage {
    Welcome(Welcome),
    RoomJoined(RoomJoined),
    RoomInfo(RoomInfo),
    RoomLeft(RoomLeft),
    RoomCreated(RoomCreated),
    UserJoinedRoom(Presence),
    UserLeftRoom(Presence),
    UserLeft(Presence),
    ChatMessage(Posted),
    FileMessage(FilePosted),
    PrivateMessage(PrivatePosted),
    PrivateMessageSent(PrivateSent),
    RoomsList(RoomsList),
    RoomUsers(RoomUsers),
    MessageHistory(MessageHistory),
    #[channels(outbox = "drop_newest")]
    UserTypingStart(Presence),
    #[channels(outbox = "drop_newest")]
    UserTypingStop(Presence),
    Pong(Pong),
    Announcement(Notice),
    Notification(Notice),
    BackgroundUpdate(BackgroundUpdate),
}

/// The first message of a connection.
#[derive(Debug, Serialize)]
pub(crate) struct Welcome {
    pub(crate) message: String,
    pub(crate) user_id: UserId,
    pub(crate) username: String,
    pub(crate) timestamp: f64,
    pub(crate) reconnect: Reconnect,
}

/// How a client should come back.
#[derive(Debug, Serialize)]
pub(crate) struct Reconnect {
    /// 0 is without end.
    pub(crate) max_attempts: usize,
    pub(crate) delay_ms: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomJoined {
    pub(crate) room: String,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomInfo {
    pub(crate) room: String,
    pub(crate) user_count: usize,
    pub(crate) created_by: String,
    pub(crate) is_public: bool,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomLeft {
    pub(crate) room: String,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomCreated {
    pub(crate) room: String,
    pub(crate) is_public: bool,
    pub(crate) timestamp: f64,
}

/// Somebody did something in a room.
#[derive(Debug, Serialize)]
pub(crate) struct Presence {
    pub(crate) user_id: UserId,
    pub(crate) username: String,
    pub(crate) room: String,
    pub(crate) timestamp: f64,
}

/// A text of a room.
#[derive(Debug, Serialize)]
pub(crate) struct Posted {
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) room: String,
    pub(crate) text: String,
    pub(crate) timestamp: f64,
}

impl From<StoredMessage> for Posted {
    fn from(stored: StoredMessage) -> Self {
        let StoredMessage { user_id, username, room, text, timestamp, .. } = stored;
        Self { user_id, username, room, text, timestamp }
    }
}

/// A file of a room.
#[derive(Debug, Serialize)]
pub(crate) struct FilePosted {
    #[serde(flatten)]
    pub(crate) file: StoredFile,
    /// Base64, as it came.
    pub(crate) file_data: String,
}

/// A private text, as its target gets it.
#[derive(Debug, Serialize)]
pub(crate) struct PrivatePosted {
    pub(crate) from_user_id: String,
    pub(crate) from_username: String,
    pub(crate) to_user_id: String,
    pub(crate) to_username: String,
    pub(crate) text: String,
    pub(crate) timestamp: f64,
}

/// A private text, as its sender gets it.
#[derive(Debug, Serialize)]
pub(crate) struct PrivateSent {
    pub(crate) to_user_id: String,
    pub(crate) to_username: String,
    pub(crate) text: String,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomsList {
    pub(crate) rooms: Vec<ListedRoom>,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListedRoom {
    pub(crate) name: String,
    pub(crate) user_count: usize,
    pub(crate) created_by: String,
    pub(crate) is_public: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct RoomUsers {
    pub(crate) room: String,
    pub(crate) users: Vec<Member>,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) status: Status,
}

/// Whether a member has a connection in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Online,
    Offline,
}

/// Oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct MessageHistory {
    pub(crate) room: String,
    pub(crate) messages: Vec<HistoryEntry>,
    pub(crate) timestamp: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pong {
    pub(crate) timestamp: f64,
}

/// Words from the server itself.
#[derive(Debug, Serialize)]
pub(crate) struct Notice {
    pub(crate) message: String,
    pub(crate) timestamp: f64,
}

/// Data for a group, from a job or a REST call.
#[derive(Debug, Serialize)]
pub(crate) struct BackgroundUpdate {
    pub(crate) group: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) timestamp: f64,
}
