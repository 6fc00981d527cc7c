//! Users, and what they write to each other.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError};

/// Someone who has been here at some time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct User {
    /// The id, any Unicode.
    pub(crate) user_id: String,
    /// The name that others see; the id until there is another.
    pub(crate) username: String,
    /// When they first came, in Unix seconds.
    pub(crate) first_seen: f64,
    /// When they last came, in Unix seconds.
    pub(crate) last_seen: f64,
}

/// A message from one user to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PrivateMessage {
    /// Unique among private messages; a later one has a greater id.
    pub(crate) id: i64,
    /// Who wrote it.
    pub(crate) from_user_id: String,
    /// The writer's name.
    pub(crate) from_username: String,
    /// To whom it goes.
    pub(crate) to_user_id: String,
    /// The target's name.
    pub(crate) to_username: String,
    /// What it says.
    pub(crate) text: String,
    /// When, in Unix seconds.
    pub(crate) timestamp: f64,
}

impl Store {
    /// Remembers that a user is here, and returns their name. `now` is in Unix
    /// seconds; an older time than the stored one changes nothing.
    pub(crate) async fn see_user(&self, user_id: &str, now: f64) -> Result<String, StoreError> {
        // Chats that share the file need not agree on the time, hence `max`.
        const SQL: &str = "INSERT INTO users (user_id, username, first_seen, last_seen)
             VALUES (?1, ?1, ?2, ?2)
             ON CONFLICT (user_id) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)
             RETURNING username";
        let user_id = user_id.to_owned();
        self.write(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            statement.query_row(params![user_id, now], |row| row.get(0))
        })
        .await
    }

    /// The user, if they have been here at some time.
    pub(crate) async fn user(&self, user_id: &str) -> Result<Option<User>, StoreError> {
        const SQL: &str = "SELECT user_id, username, first_seen, last_seen FROM users WHERE user_id = ?1";
        let user_id = user_id.to_owned();
        self.read(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            let user = statement.query_row(params![user_id], |row| {
                Ok(User {
                    user_id: row.get(0)?,
                    username: row.get(1)?,
                    first_seen: row.get(2)?,
                    last_seen: row.get(3)?,
                })
            });
            user.optional()
        })
        .await
    }

    /// Stores a private message. Neither user must be known; an unknown one is
    /// named by their id.
    pub(crate) async fn save_private(
        &self,
        from_user_id: &str,
        to_user_id: &str,
        text: &str,
        now: f64,
    ) -> Result<PrivateMessage, StoreError> {
        const SQL: &str = "INSERT INTO private_messages (from_user_id, to_user_id, text, timestamp)
             VALUES (?1, ?2, ?3, ?4) RETURNING id";
        let (from_user_id, to_user_id) = (from_user_id.to_owned(), to_user_id.to_owned());
        let text = text.to_owned();
        self.write(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            let values = params![from_user_id, to_user_id, text, now];
            Ok::<_, rusqlite::Error>(PrivateMessage {
                id: statement.query_row(values, |row| row.get(0))?,
                from_username: username(db, &from_user_id)?,
                from_user_id,
                to_username: username(db, &to_user_id)?,
                to_user_id,
                text,
                timestamp: now,
            })
        })
        .await
    }

    /// Removes a private message, as if it had never been; says whether it was there.
    pub(crate) async fn delete_private(&self, id: i64) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM private_messages WHERE id = ?1";
        self.write(move |db| {
            let deleted = db.prepare_cached(SQL)?.execute(params![id])?;
            Ok::<_, rusqlite::Error>(deleted > 0)
        })
        .await
    }
}

/// The user's name, which for an unknown user is their id.
pub(super) fn username(db: &Connection, user_id: &str) -> rusqlite::Result<String> {
    let mut statement = db.prepare_cached("SELECT username FROM users WHERE user_id = ?1")?;
    let name = statement.query_row(params![user_id], |row| row.get(0));
    Ok(name.optional()?.unwrap_or_else(|| user_id.to_owned()))
}
