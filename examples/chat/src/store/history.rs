//! What was said in a room, in one order with the files that were sent there.

use rusqlite::{Row, params};
use serde::Serialize;

use super::entry::add_entry;
use super::files::{StoredFile, file_url};
use super::{Store, StoreError};

/// A text message. Its JSON has these fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StoredMessage {
    /// Unique in the file; a later entry has a greater id.
    pub(crate) id: i64,
    /// Who wrote it.
    pub(crate) user_id: String,
    /// The writer's name at that time.
    pub(crate) username: String,
    /// Where.
    pub(crate) room: String,
    /// What it says.
    pub(crate) text: String,
    /// When, in Unix seconds.
    pub(crate) timestamp: f64,
}

/// One entry of a room's history. In JSON it is the entry itself: a file has a
/// `file_url`, a text has a `text`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum HistoryEntry {
    /// A text message.
    Text(StoredMessage),
    /// A file, without its bytes.
    File(StoredFile),
}

impl Store {
    /// Stores a message. Neither room nor user must be known; an unknown user
    /// is named by their id.
    pub(crate) async fn save_message(
        &self,
        room: &str,
        user_id: &str,
        text: &str,
        now: f64,
    ) -> Result<StoredMessage, StoreError> {
        let (room, user_id) = (room.to_owned(), user_id.to_owned());
        let text = text.to_owned();
        self.write(move |db| {
            let (id, username) = add_entry(db, &room, &user_id, Some(&text), now)?;
            Ok::<_, rusqlite::Error>(StoredMessage { id, user_id, username, room, text, timestamp: now })
        })
        .await
    }

    /// Removes a message, as if it had never been; says whether it was there.
    pub(crate) async fn delete_message(&self, id: i64) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM messages WHERE id = ?1 AND text IS NOT NULL";
        self.write(move |db| {
            let deleted = db.prepare_cached(SQL)?.execute(params![id])?;
            Ok::<_, rusqlite::Error>(deleted > 0)
        })
        .await
    }

    /// The newest `limit` entries of a room, oldest first.
    pub(crate) async fn history(&self, room: &str, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        const SQL: &str = "SELECT messages.id, room, user_id, username, timestamp, text,
                    files.id, filename, mime_type, file_size
             FROM messages LEFT JOIN files ON files.message_id = messages.id
             WHERE room = ?1 ORDER BY messages.id DESC LIMIT ?2";
        let room = room.to_owned();
        self.read(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            let entries = statement.query_map(params![room, limit], read_entry)?;
            let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
            entries.reverse();
            Ok::<_, rusqlite::Error>(entries)
        })
        .await
    }
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    let (room, user_id, username) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let timestamp = row.get(4)?;
    Ok(match row.get(5)? {
        Some(text) => HistoryEntry::Text(StoredMessage { id: row.get(0)?, user_id, username, room, text, timestamp }),
        None => {
            let id: String = row.get(6)?;
            HistoryEntry::File(StoredFile {
                file_url: file_url(&id),
                id,
                user_id,
                username,
                room,
                filename: row.get(7)?,
                mime_type: row.get(8)?,
                file_size: row.get(9)?,
                timestamp,
            })
        }
    })
}
