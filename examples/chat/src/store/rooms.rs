//! Rooms, and who belongs to them.

use rusqlite::{Connection, OptionalExtension, Row, ffi, params};

use super::{Store, StoreError};

/// A room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Room {
    /// The name, any Unicode; two that differ in case are two rooms.
    pub(crate) name: String,
    /// The id of the user who made it.
    pub(crate) created_by: String,
    /// Whether everyone may see and join it.
    pub(crate) is_public: bool,
    /// When it was made, in Unix seconds.
    pub(crate) created_at: f64,
}

impl Store {
    /// Makes a room, and says whether it did: one that exists is returned as it
    /// is. Of two calls at once, one makes it.
    pub(crate) async fn ensure_room(
        &self,
        name: &str,
        created_by: &str,
        is_public: bool,
        now: f64,
    ) -> Result<(Room, bool), StoreError> {
        const SQL: &str = "INSERT INTO rooms (name, created_by, is_public, created_at)
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING";
        let wanted = Room { name: name.to_owned(), created_by: created_by.to_owned(), is_public, created_at: now };
        self.write(move |db| {
            if let Some(existing) = find_room(db, &wanted.name)? {
                return Ok((existing, false));
            }
            db.prepare_cached(SQL)?.execute(params![
                wanted.name,
                wanted.created_by,
                wanted.is_public,
                wanted.created_at
            ])?;
            Ok::<_, rusqlite::Error>((wanted, true))
        })
        .await
    }

    /// The room of that name.
    pub(crate) async fn room(&self, name: &str) -> Result<Option<Room>, StoreError> {
        let name = name.to_owned();
        self.read(move |db| find_room(db, &name)).await
    }

    /// All public rooms, by name.
    pub(crate) async fn public_rooms(&self) -> Result<Vec<Room>, StoreError> {
        const SQL: &str = "SELECT name, created_by, is_public, created_at FROM rooms
             WHERE is_public = 1 ORDER BY name";
        self.read(|db| {
            let mut statement = db.prepare_cached(SQL)?;
            statement.query_map([], read_room)?.collect::<Result<_, _>>()
        })
        .await
    }

    /// The rooms of these names, in the order given; unknown names are left out.
    pub(crate) async fn rooms_named(&self, names: Vec<String>) -> Result<Vec<Room>, StoreError> {
        self.read(move |db| {
            let rooms = names.iter().filter_map(|name| find_room(db, name).transpose());
            rooms.collect::<Result<_, _>>()
        })
        .await
    }

    /// Remembers that a user belongs to a room; a member stays one.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownMember`] unless both are known, by
    /// [`ensure_room`](Store::ensure_room) and [`see_user`](Store::see_user).
    pub(crate) async fn add_member(&self, room: &str, user_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO members (room, user_id) VALUES (?1, ?2)
             ON CONFLICT (room, user_id) DO NOTHING";
        let (room, user_id) = (room.to_owned(), user_id.to_owned());
        self.write(move |db| {
            let added = db.prepare_cached(SQL)?.execute(params![room, user_id]);
            match added {
                Ok(_) => Ok(()),
                Err(error) if is_missing_reference(&error) => Err(StoreError::UnknownMember { room, user_id }),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Forgets that a user belongs to a room, when they have left it
    /// deliberately. Says whether they did belong to it.
    pub(crate) async fn remove_member(&self, room: &str, user_id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM members WHERE room = ?1 AND user_id = ?2";
        let (room, user_id) = (room.to_owned(), user_id.to_owned());
        self.write(move |db| {
            let removed = db.prepare_cached(SQL)?.execute(params![room, user_id])?;
            Ok::<_, rusqlite::Error>(removed > 0)
        })
        .await
    }

    /// Who belongs to a room, here or not, as `(user_id, username)` by user id.
    pub(crate) async fn members(&self, room: &str) -> Result<Vec<(String, String)>, StoreError> {
        const SQL: &str = "SELECT user_id, username FROM members JOIN users USING (user_id)
             WHERE room = ?1 ORDER BY user_id";
        let room = room.to_owned();
        self.read(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            let members = statement.query_map(params![room], |row| Ok((row.get(0)?, row.get(1)?)))?;
            members.collect::<Result<_, _>>()
        })
        .await
    }
}

fn find_room(db: &Connection, name: &str) -> rusqlite::Result<Option<Room>> {
    const SQL: &str = "SELECT name, created_by, is_public, created_at FROM rooms WHERE name = ?1";
    let mut statement = db.prepare_cached(SQL)?;
    statement.query_row(params![name], read_room).optional()
}

fn read_room(row: &Row<'_>) -> rusqlite::Result<Room> {
    Ok(Room { name: row.get(0)?, created_by: row.get(1)?, is_public: row.get(2)?, created_at: row.get(3)? })
}

fn is_missing_reference(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}
