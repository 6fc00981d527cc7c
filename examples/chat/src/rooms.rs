//! Who is in which room: what the store knows, and who is here now.
//!
//! One server knows its own connections by name. Of several, each room's members and each user's connections are
//! numbers that all of them share. Where those cannot be had in time, the numbers of this server are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use channels::{ChannelLayer, ConnectionState, Error, OrInternal, UserId};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::messages::{ListedRoom, Member, Status};
use crate::store::{Room, Store};

/// How long a list waits for what other servers have.
const ASKS_WITHIN: Duration = Duration::from_secs(1);
/// How many numbers are asked for at once.
const ASKS_AT_ONCE: usize = 256;

/// Whether there may be other servers.
pub(crate) fn is_shared(layer: &ChannelLayer) -> bool {
    layer.backend_name() == "redis"
}

/// The users with a connection to this server in a room; one that is ending has told the room already.
fn online(layer: &ChannelLayer, room: &str) -> BTreeSet<String> {
    let members = layer.registry().group_connections(room);
    let here = members.iter().filter(|member| member.state() == ConnectionState::Connected);
    here.filter_map(|member| member.user().map(ToString::to_string)).collect()
}

/// How many are in a room: users, or the connections on all servers.
///
/// # Errors
///
/// `BACKEND_ERROR` where nobody can tell.
pub(crate) async fn user_count(layer: &ChannelLayer, room: &str) -> Result<usize, Error> {
    if is_shared(layer) { layer.group_len(room).await } else { Ok(online(layer, room).len()) }
}

/// Whether a user has more connections than these, on other servers.
pub(crate) async fn is_elsewhere(layer: &ChannelLayer, user: &UserId, here: usize) -> bool {
    if !is_shared(layer) {
        return false;
    }
    in_time(layer.user_len(user)).await.is_some_and(|everywhere| everywhere > here)
}

/// An answer, unless it does not come in time.
async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Option<T> {
    let answer = tokio::time::timeout(ASKS_WITHIN, asked).await;
    answer.ok()?.inspect_err(|error| tracing::debug!(%error, "this server's own numbers are told")).ok()
}

/// The numbers of members of rooms, in their order.
async fn user_counts(layer: &ChannelLayer, rooms: Vec<String>) -> Vec<usize> {
    if is_shared(layer) {
        let asked = rooms.clone().into_iter().map(|room| {
            let layer = layer.clone();
            async move { layer.group_len(&room).await }
        });
        if let Some(counts) = in_time(stream::iter(asked).buffered(ASKS_AT_ONCE).try_collect()).await {
            return counts;
        }
    }
    rooms.iter().map(|room| online(layer, room).len()).collect()
}

/// Which of these users are online.
async fn online_of(layer: &ChannelLayer, room: &str, users: Vec<String>) -> BTreeSet<String> {
    let here = online(layer, room);
    if is_shared(layer) {
        let unknown: Vec<_> = users.into_iter().filter(|user| !here.contains(user)).collect();
        let elsewhere = unknown.into_iter().map(|name| {
            let layer = layer.clone();
            async move {
                // Whoever was here once has a name that is one.
                let user = UserId::new(&*name).or_internal()?;
                Ok::<_, Error>((layer.user_len(&user).await? > 0).then_some(name))
            }
        });
        let asked = stream::iter(elsewhere).buffer_unordered(ASKS_AT_ONCE).try_collect::<Vec<_>>();
        if let Some(elsewhere) = in_time(asked).await {
            return here.into_iter().chain(elsewhere.into_iter().flatten()).collect();
        }
    }
    here
}

/// The public rooms and these others, by name.
pub(crate) async fn list(store: &Store, layer: &ChannelLayer, joined: Vec<String>) -> Result<Vec<ListedRoom>, Error> {
    let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
    for room in store.public_rooms().await.or_internal()? {
        rooms.insert(room.name.clone(), room);
    }
    for room in store.rooms_named(joined).await.or_internal()? {
        rooms.insert(room.name.clone(), room);
    }
    let names: Vec<_> = rooms.keys().cloned().collect();
    let counts = user_counts(layer, names).await;
    let listed = rooms.into_values().zip(counts).map(|(room, user_count)| ListedRoom {
        user_count,
        name: room.name,
        created_by: room.created_by,
        is_public: room.is_public,
    });
    Ok(listed.collect())
}

/// Everybody who is in a room or was and has not left it, those who are here first.
pub(crate) async fn members(store: &Store, layer: &ChannelLayer, room: &str) -> Result<Vec<Member>, Error> {
    let known = store.members(room).await.or_internal()?;
    let users: Vec<_> = known.iter().map(|(user_id, _)| user_id.clone()).collect();
    let online = online_of(layer, room, users).await;
    let mut members: Vec<Member> = known
        .into_iter()
        .map(|(user_id, username)| {
            let status = if online.contains(&user_id) { Status::Online } else { Status::Offline };
            Member { user_id, username, status }
        })
        .collect();
    members.sort_by_key(|member| member.status == Status::Offline);
    Ok(members)
}
