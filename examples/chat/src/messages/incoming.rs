//! What clients send.

use channels::prelude::*;
use garde::Validate;
use serde::Deserialize;

use super::rules::{RoomName, Text, no_control_characters, trimmed};

/// Every message that a client may send.
#[derive(Debug, Incoming)]
pub(crate) enum ClientMessage {
    ChatMessage(ChatMessage),
    JoinRoom(InRoom),
    LeaveRoom(InRoom),
    PrivateMessage(PrivateText),
    CreateRoom(CreateRoom),
    ListRooms,
    GetRoomUsers(InRoom),
    GetMessageHistory(GetHistory),
    TypingStart(InRoom),
    TypingStop(InRoom),
    FileMessage(FileUpload),
    Ping,
}

/// A text for a room.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct ChatMessage {
    #[garde(dive)]
    pub(crate) room: RoomName,
    #[garde(dive)]
    pub(crate) text: Text,
}

/// Something about a room.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct InRoom {
    #[garde(dive)]
    pub(crate) room: RoomName,
}

/// A text for one user.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct PrivateText {
    #[garde(skip)]
    pub(crate) target_user_id: UserId,
    #[garde(dive)]
    pub(crate) text: Text,
}

/// A new room.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct CreateRoom {
    #[garde(dive)]
    pub(crate) room_name: RoomName,
    #[garde(skip)]
    #[serde(default = "public")]
    pub(crate) is_public: bool,
}

fn public() -> bool {
    true
}

/// The newest messages of a room.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct GetHistory {
    #[garde(dive)]
    pub(crate) room: RoomName,
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "fifty")]
    pub(crate) limit: u32,
}

fn fifty() -> u32 {
    50
}

/// A file for a room.
#[derive(Debug, Deserialize, Validate)]
pub(crate) struct FileUpload {
    #[garde(dive)]
    pub(crate) room: RoomName,
    #[garde(length(chars, min = 1, max = 255), custom(no_control_characters))]
    #[serde(deserialize_with = "trimmed")]
    pub(crate) filename: String,
    #[garde(length(chars, min = 1, max = 127), custom(no_control_characters))]
    pub(crate) mime_type: String,
    #[garde(range(max = super::MAX_FILE_BYTES))]
    pub(crate) file_size: usize,
    /// Base64. Its size is checked against `file_size` when it is decoded.
    #[garde(skip)]
    pub(crate) file_data: String,
}
