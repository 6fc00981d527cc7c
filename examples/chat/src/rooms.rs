//! Who is in which room: what the store knows, and who is here now.

use std::collections::{BTreeMap, BTreeSet};

use channels::{ChannelLayer, ConnectionState, Error, OrInternal};

use crate::clock::now;
use crate::messages::{ListedRoom, Member, RoomInfo, Status};
use crate::store::{Room, Store};

/// The users with a connection in a room; one that is ending has told the room already.
fn online(layer: &ChannelLayer, room: &str) -> BTreeSet<String> {
    let members = layer.registry().group_connections(room);
    let here = members.iter().filter(|member| member.state() == ConnectionState::Connected);
    here.filter_map(|member| member.user().map(ToString::to_string)).collect()
}

pub(crate) fn info(layer: &ChannelLayer, room: Room) -> RoomInfo {
    let user_count = online(layer, &room.name).len();
    RoomInfo { room: room.name, user_count, created_by: room.created_by, is_public: room.is_public, timestamp: now() }
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
    let listed = rooms.into_values().map(|room| ListedRoom {
        user_count: online(layer, &room.name).len(),
        name: room.name,
        created_by: room.created_by,
        is_public: room.is_public,
    });
    Ok(listed.collect())
}

/// Everybody who is in a room or was and has not left it, those who are here first.
pub(crate) async fn members(store: &Store, layer: &ChannelLayer, room: &str) -> Result<Vec<Member>, Error> {
    let online = online(layer, room);
    let known = store.members(room).await.or_internal()?;
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
