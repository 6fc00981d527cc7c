//! A consumer as the guide shows it.

use axum::http::{HeaderMap, StatusCode};
use channels::message::{Layout, Message};
use channels::prelude::*;
use channels::{Consumer, Error, ErrorCode};
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::{Takes, takes};

/// What clients may send.
#[derive(Debug, Incoming)]
pub(crate) enum ClientMessage {
    /// A text for a room.
    ChatMessage(ChatMessage),
    /// Into a room.
    JoinRoom(JoinRoom),
    /// Who types.
    TypingStart(Box<Typing>),
    /// Alive?
    Ping,
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Outgoing)]
pub(crate) enum ServerMessage {
    /// To all of the room.
    ChatMessage(Posted),
    /// To the one.
    Welcome(Welcome),
    /// Two carry the same.
    UserJoined(Presence),
    /// Two carry the same.
    UserLeft(Presence),
    /// A list is several replies, not one.
    Rooms(Vec<Welcome>),
    /// Alive.
    Pong,
}

#[derive(Debug, Deserialize, Validate)]
pub(crate) struct ChatMessage {
    #[garde(length(chars, min = 1, max = 50))]
    room: String,
    #[garde(length(chars, min = 1, max = 100))]
    text: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct JoinRoom {
    room: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Typing {
    room: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Posted {
    room: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Welcome {
    user: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Presence {
    user: String,
}

/// The application's.
#[derive(Clone, Debug)]
struct AppState {
    db: Db,
}

#[derive(Clone, Debug, PartialEq)]
struct Db(u32);

impl FromRef<AppState> for Db {
    fn from_ref(state: &AppState) -> Self {
        state.db.clone()
    }
}

#[derive(Debug)]
enum ChatError {
    NotIn,
}

impl From<ChatError> for Error {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::NotIn => Error::new(ErrorCode::AuthorizationFailed, "You are not in that room."),
        }
    }
}

/// One connection.
struct Chat {
    user: UserId,
    rooms: Vec<String>,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = AppState)]
impl Chat {
    /// A constant between handlers.
    const MOST_ROOMS: usize = 3;

    #[accept]
    async fn accept(
        Path(user): Path<UserId>,
        headers: HeaderMap,
        State(Db(version)): State<Db>,
    ) -> Result<Self, StatusCode> {
        if version == 0 || headers.contains_key("x-spam") {
            Err(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            Ok(Self { user, rooms: Vec::new() })
        }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&mut self, connection: Connection) -> Welcome {
        let _ = connection.id();
        Welcome { user: self.user.to_string() }
    }

    #[on("chat_message")]
    #[validate]
    #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
    async fn chat(
        &mut self,
        ChatMessage { room, text }: ChatMessage,
        State(db): State<Db>,
        layer: ChannelLayer,
        id: Option<channels::message::RequestId>,
    ) -> Result<(), ChatError> {
        let _ = (db, id);
        if !self.rooms.contains(&room) {
            return Err(ChatError::NotIn);
        }
        layer
            .send_to_group(&room.clone(), ServerMessage::from(Posted { room, text }))
            .await
            .map_err(|_| ChatError::NotIn)?;
        Ok(())
    }

    /// Not a handler.
    fn is_full(&self) -> bool {
        self.rooms.len() >= Self::MOST_ROOMS
    }

    #[on("join_room")]
    #[rate_limit(5, per = "500ms")]
    fn join(&mut self, join: JoinRoom) -> Result<Vec<ServerMessage>, channels::Error> {
        if self.is_full() {
            return Err(Error::new(ErrorCode::AuthorizationFailed, "No more rooms."));
        }
        self.rooms.push(join.room);
        Ok(vec![ServerMessage::UserJoined(Presence { user: self.user.to_string() })])
    }

    #[on("typing_start")]
    async fn typing(&self, typing: Box<Typing>) -> Option<ServerMessage> {
        let left = || ServerMessage::UserLeft(Presence { user: self.user.to_string() });
        (!self.rooms.contains(&typing.room)).then(left)
    }

    #[on("ping")]
    fn ping(&self) -> impl Reply<ServerMessage> + use<> {
        ServerMessage::Pong
    }

    #[on_binary]
    #[rate_limit(1, per = "1h", by = ip)]
    async fn bytes(&mut self, data: Bytes) -> Bytes {
        data
    }

    #[error]
    async fn failed(&mut self, error: channels::Error, connection: Connection) -> Result<(), channels::Error> {
        let _ = connection;
        Err(error)
    }

    #[disconnect]
    async fn left(&mut self, close: CloseReason, State(_): State<Db>) -> Result<(), ChatError> {
        let _ = close;
        Ok(())
    }
}

#[test]
fn a_consumer_says_what_it_handles() {
    assert_eq!(<Chat as Consumer>::NAMES, ["chat_message", "join_room", "typing_start", "ping"]);
    assert_eq!(<Chat as Consumer>::LAYOUT, Layout::DEFAULT);
    assert_eq!(takes::<Chat>(), [Takes::Binary, Takes::Errors, Takes::Addresses]);
}

#[test]
fn handlers_stay_ordinary_functions() {
    let mut chat = Chat { user: UserId::new("ada").unwrap(), rooms: Vec::new() };
    assert_eq!(chat.join(JoinRoom { room: "rust".into() }).unwrap().len(), 1);
    assert!(!chat.is_full());
}

#[test]
fn an_enum_decodes_its_messages() {
    let read = |json: &str| ClientMessage::decode(&Message::from_json(json, Layout::DEFAULT).unwrap());
    let Ok(ClientMessage::JoinRoom(join)) = read(r#"{"type": "join_room", "data": {"room": "rust"}}"#) else {
        panic!("another message")
    };
    assert_eq!(join.room, "rust");
    assert!(matches!(read(r#"{"type": "ping"}"#), Ok(ClientMessage::Ping)));
    assert_eq!(read(r#"{"type": "pings"}"#).unwrap_err().code(), ErrorCode::InvalidMessageParams);
    assert_eq!(read(r#"{"type": "join_room", "data": {}}"#).unwrap_err().code(), ErrorCode::ValidationFailed);
}

#[test]
fn an_enum_is_encoded_and_made_of_its_payloads() {
    let message = ServerMessage::from(Welcome { user: "ada".into() });
    assert_eq!((message.name(), &message), ("welcome", &ServerMessage::Welcome(Welcome { user: "ada".into() })));
    assert_eq!(message.to_json(None).unwrap(), r#"{"type":"welcome","data":{"user":"ada"}}"#);
    assert_eq!(ServerMessage::Pong.to_json(None).unwrap(), r#"{"type":"pong"}"#);
    let rooms = ServerMessage::from(vec![Welcome { user: "ada".into() }]);
    assert_eq!(rooms.to_json(None).unwrap(), r#"{"type":"rooms","data":[{"user":"ada"}]}"#);
}
