//! The chat itself: what each message does.

use channels::prelude::*;
use channels::{Error, MAX_GROUP_NAME_BYTES};

use crate::app::AppState;
use crate::clock::now;
use crate::entering::Entering;
use crate::login::Login;
use crate::messages::*;
use crate::store::{NewFile, Room, Store};
use crate::{files, refusal, rooms};

// A room's group bears its name: 50 characters always fit.
const _: () = assert!(50 * 4 <= MAX_GROUP_NAME_BYTES);

/// One client. Membership of a room belongs to its connection, and ends with it.
pub(crate) struct Chat {
    user: UserId,
    /// The user id until the user has another name.
    username: String,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = AppState)]
impl Chat {
    /// With `CHAT_SECRET` the cookie says who comes: 401 without one that is right, 403 where the path names somebody
    /// else. Without it the path is believed, as in the seed. Any axum extractor is an argument here: the guide
    /// `channels::docs::authentication` has other ways.
    #[accept]
    fn accept(login: Login, Path(user): Path<UserId>) -> Result<Self, Error> {
        if login.0.is_some_and(|name| name != user) {
            return Err(Error::authorization("You are signed in by another name."));
        }
        Ok(Self { username: user.to_string(), user })
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&mut self, layer: ChannelLayer, State(store): State<Store>) -> Result<Welcome, Error> {
        self.username = store.see_user(self.user.as_str(), now()).await.or_internal()?;
        let delay = layer.config().reconnect_delay();
        Ok(Welcome {
            message: format!("Welcome, {}!", self.username),
            user_id: self.user.clone(),
            username: self.username.clone(),
            timestamp: now(),
            reconnect: Reconnect {
                max_attempts: layer.config().reconnect_max_attempts(),
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            },
        })
    }

    #[on("chat_message")]
    #[validate]
    #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
    async fn chat_message(
        &self,
        message: ChatMessage,
        conn: Connection,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<(), Error> {
        let (RoomName(room), Text(text)) = (message.room, message.text);
        self.member_of(&conn, &room)?;
        let stored = store.save_message(&room, self.user.as_str(), &text, now()).await.or_internal()?;
        let id = stored.id;
        if let Err(error) = layer.send_to_group(&room, ServerMessage::from(Posted::from(stored))).await {
            // It was not sent, or nobody knows whether it was (`Delivery::Unknown`). Its sender is told that it failed and may say
            // it again: the history must not have it twice. Where it was sent after all, members saw what the history lacks.
            // A handler that is dropped between the two, at a drain's deadline or when its time is up, keeps what it did not send.
            store.delete_message(id).await.or_internal()?;
            return Err(error);
        }
        Ok(())
    }

    #[on("file_message")]
    #[validate]
    #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
    async fn file_message(
        &self,
        upload: FileUpload,
        conn: Connection,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<(), Error> {
        let room = upload.room.0.clone();
        self.member_of(&conn, &room)?;
        // Ten megabytes of base64 are milliseconds of work, which others should not wait for.
        let (upload, bytes) = tokio::task::spawn_blocking(move || {
            let bytes = files::decode(&upload);
            (upload, bytes)
        })
        .await
        .or_internal()?;
        let new = NewFile {
            room: room.clone(),
            user_id: self.user.to_string(),
            filename: upload.filename,
            mime_type: upload.mime_type,
            bytes: bytes?,
            timestamp: now(),
        };
        let file = store.save_file(new).await.or_internal()?;
        let id = file.id.clone();
        let posted = FilePosted { file, file_data: upload.file_data };
        if let Err(error) = layer.send_to_group(&room, ServerMessage::from(posted)).await {
            store.delete_file(&id).await.or_internal()?;
            return Err(error);
        }
        Ok(())
    }

    #[on("private_message")]
    #[validate]
    #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
    async fn private_message(
        &self,
        message: PrivateText,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<PrivateSent, Error> {
        let target = message.target_user_id;
        if store.user(target.as_str()).await.or_internal()?.is_none() {
            return Err(refusal::unknown_user(target.as_str()));
        }
        let saved = store.save_private(self.user.as_str(), target.as_str(), &message.text.0, now());
        let saved = saved.await.or_internal()?;
        let id = saved.id;
        let posted = PrivatePosted {
            from_user_id: saved.from_user_id,
            from_username: saved.from_username,
            to_user_id: saved.to_user_id,
            to_username: saved.to_username,
            text: saved.text,
            timestamp: saved.timestamp,
        };
        let sent = PrivateSent {
            to_user_id: posted.to_user_id.clone(),
            to_username: posted.to_username.clone(),
            text: posted.text.clone(),
            timestamp: posted.timestamp,
        };
        if let Err(error) = layer.send_to_user(&target, ServerMessage::from(posted)).await {
            store.delete_private(id).await.or_internal()?;
            return Err(error);
        }
        Ok(sent)
    }

    /// A private room is an unlisted one: who knows its name may join it.
    #[on("join_room")]
    #[validate]
    async fn join_room(
        &self,
        join: InRoom,
        conn: Connection,
        answer: Answer,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<(), Error> {
        let RoomName(name) = join.room;
        let entering = Entering::begin(&conn, &layer, &name).await?;
        let (room, _created) = store.ensure_room(&name, self.user.as_str(), true, now()).await.or_internal()?;
        self.enter(room, entering, &answer, &layer, &store).await
    }

    #[on("create_room")]
    #[validate]
    async fn create_room(
        &self,
        create: CreateRoom,
        conn: Connection,
        answer: Answer,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<(), Error> {
        let RoomName(name) = create.room_name;
        if store.room(&name).await.or_internal()?.is_some_and(|room| !room.is_public) {
            return Err(refusal::private_room(&name));
        }
        let entering = Entering::begin(&conn, &layer, &name).await?;
        let ensured = store.ensure_room(&name, self.user.as_str(), create.is_public, now());
        let (room, created) = ensured.await.or_internal()?;
        // Somebody may have made it meanwhile.
        if !created && !room.is_public {
            return Err(refusal::private_room(&name));
        }
        if created {
            conn.send(ServerMessage::from(RoomCreated {
                room: name.clone(),
                is_public: room.is_public,
                timestamp: now(),
            }))?;
        }
        self.enter(room, entering, &answer, &layer, &store).await
    }

    #[on("leave_room")]
    #[validate]
    async fn leave_room(
        &self,
        leave: InRoom,
        conn: Connection,
        answer: Answer,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<(), Error> {
        let RoomName(room) = leave.room;
        self.member_of(&conn, &room)?;
        // Another connection of the user may still be in the room; then the user still is.
        let mine = layer.registry().user_connections(&self.user);
        let is_in_by_another = mine.iter().any(|other| other.id() != conn.id() && other.is_in(&room));
        // Where their connections to other servers are, nobody here knows.
        if !is_in_by_another && !rooms::is_elsewhere(&layer, &self.user, mine.len()).await {
            store.remove_member(&room, self.user.as_str()).await.or_internal()?;
        }
        conn.leave(&room);
        answer.send(ServerMessage::from(RoomLeft { room: room.clone(), timestamp: now() }))?;
        self.announce(&layer, &room, ServerMessage::UserLeftRoom).await;
        Ok(())
    }

    #[on("list_rooms")]
    async fn list_rooms(
        &self,
        conn: Connection,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<RoomsList, Error> {
        let rooms = rooms::list(&store, &layer, conn.groups()).await?;
        Ok(RoomsList { rooms, timestamp: now() })
    }

    #[on("get_room_users")]
    #[validate]
    async fn get_room_users(
        &self,
        query: InRoom,
        conn: Connection,
        layer: ChannelLayer,
        State(store): State<Store>,
    ) -> Result<RoomUsers, Error> {
        let RoomName(name) = query.room;
        // A private room that one is not in does not exist, as far as one can tell.
        let visible = |room: &Room| room.is_public || conn.is_in(&name);
        if store.room(&name).await.or_internal()?.filter(visible).is_none() {
            return Err(refusal::unknown_room(&name));
        }
        let users = rooms::members(&store, &layer, &name).await?;
        Ok(RoomUsers { room: name, users, timestamp: now() })
    }

    #[on("get_message_history")]
    #[validate]
    async fn get_message_history(
        &self,
        query: GetHistory,
        conn: Connection,
        State(store): State<Store>,
    ) -> Result<MessageHistory, Error> {
        let RoomName(room) = query.room;
        self.member_of(&conn, &room)?;
        let messages = store.history(&room, query.limit).await.or_internal()?;
        Ok(MessageHistory { room, messages, timestamp: now() })
    }

    #[on("typing_start")]
    #[validate]
    #[rate_limit(30, per = "10s", by = connection, bucket = "typing")]
    async fn typing_start(&self, typing: InRoom, conn: Connection, layer: ChannelLayer) -> Result<(), Error> {
        self.tell_others(&typing.room.0, &conn, &layer, ServerMessage::UserTypingStart).await
    }

    #[on("typing_stop")]
    #[validate]
    #[rate_limit(30, per = "10s", by = connection, bucket = "typing")]
    async fn typing_stop(&self, typing: InRoom, conn: Connection, layer: ChannelLayer) -> Result<(), Error> {
        self.tell_others(&typing.room.0, &conn, &layer, ServerMessage::UserTypingStop).await
    }

    #[on("ping")]
    fn ping(&self) -> Pong {
        Pong { timestamp: now() }
    }

    #[disconnect]
    async fn left(&mut self, conn: Connection, layer: ChannelLayer) -> Result<(), Error> {
        let mut outcome = Ok(());
        for room in conn.groups() {
            // One room that cannot be told keeps no other from being told.
            let told = layer.send_to_group(&room, ServerMessage::UserLeft(self.presence(&room))).await;
            outcome = told.map(drop).and(outcome);
        }
        outcome
    }
}

impl Chat {
    fn member_of(&self, conn: &Connection, room: &str) -> Result<(), Error> {
        if conn.is_in(room) { Ok(()) } else { Err(refusal::not_a_member(room)) }
    }

    fn presence(&self, room: &str) -> Presence {
        Presence {
            user_id: self.user.clone(),
            username: self.username.clone(),
            room: room.to_owned(),
            timestamp: now(),
        }
    }

    /// Who joins is told first, then everybody in the room.
    async fn enter(
        &self,
        room: Room,
        entering: Entering<'_>,
        answer: &Answer,
        layer: &ChannelLayer,
        store: &Store,
    ) -> Result<(), Error> {
        let name = room.name.clone();
        store.add_member(&name, self.user.as_str()).await.or_internal()?;
        let (conn, user_count) = entering.keep();
        conn.send(ServerMessage::from(RoomJoined { room: name.clone(), timestamp: now() }))?;
        answer.send(ServerMessage::from(RoomInfo {
            room: room.name,
            user_count,
            created_by: room.created_by,
            is_public: room.is_public,
            timestamp: now(),
        }))?;
        self.announce(layer, &name, ServerMessage::UserJoinedRoom).await;
        Ok(())
    }

    /// Tells a room what has happened. Where it cannot be told now, it has happened all the same.
    async fn announce(&self, layer: &ChannelLayer, room: &str, message: fn(Presence) -> ServerMessage) {
        if let Err(error) = layer.send_to_group(room, message(self.presence(room))).await {
            tracing::warn!(%error, room, "the room could not be told");
        }
    }

    /// Typing in a room that one is not in is no mistake worth an error: one may just have left it.
    async fn tell_others(
        &self,
        room: &str,
        conn: &Connection,
        layer: &ChannelLayer,
        message: fn(Presence) -> ServerMessage,
    ) -> Result<(), Error> {
        if conn.is_in(room) {
            layer.send_to_group_except(room, conn.id(), message(self.presence(room))).await?;
        }
        Ok(())
    }
}
