//! Files, which a room's history names and whose bytes have a URL of their own.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::entry::add_entry;
use super::{Store, StoreError};

/// A file to store. The store trusts the name and the type, and bounds no size
/// below SQLite's own 1,000,000,000 bytes.
#[derive(Debug, Clone)]
pub(crate) struct NewFile {
    /// Where it was sent.
    pub(crate) room: String,
    /// Who sent it.
    pub(crate) user_id: String,
    /// The name it had there.
    pub(crate) filename: String,
    /// Its type.
    pub(crate) mime_type: String,
    /// The file itself.
    pub(crate) bytes: Vec<u8>,
    /// When, in Unix seconds.
    pub(crate) timestamp: f64,
}

/// What is known of a file. Its JSON has these fields but the id, which the URL holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StoredFile {
    /// 128 random bits as 32 hexadecimal digits. Whoever has it can read the
    /// file, so it is unguessable.
    #[serde(skip)]
    pub(crate) id: String,
    /// Who sent it.
    pub(crate) user_id: String,
    /// The sender's name at that time.
    pub(crate) username: String,
    /// Where it was sent.
    pub(crate) room: String,
    /// The name it had there.
    pub(crate) filename: String,
    /// The type it was sent with.
    pub(crate) mime_type: String,
    /// Its bytes, counted.
    pub(crate) file_size: u32,
    /// Where it can be fetched: `/api/files/{id}`.
    pub(crate) file_url: String,
    /// When, in Unix seconds.
    pub(crate) timestamp: f64,
}

/// A file with its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    /// What is known of it.
    pub(crate) metadata: StoredFile,
    /// The file itself.
    pub(crate) bytes: Vec<u8>,
}

impl Store {
    /// Stores a file as the newest entry of its room's history. Neither room
    /// nor user must be known; an unknown user is named by their id.
    pub(crate) async fn save_file(&self, file: NewFile) -> Result<StoredFile, StoreError> {
        const SQL: &str = "INSERT INTO files (id, message_id, filename, mime_type, file_size, bytes)
             VALUES (lower(hex(randomblob(16))), ?1, ?2, ?3, length(?4), ?4)
             RETURNING id, file_size";
        self.write(move |db| {
            let sent = file.timestamp;
            let (entry, username) = add_entry(db, &file.room, &file.user_id, None, sent)?;
            let mut statement = db.prepare_cached(SQL)?;
            let values = params![entry, file.filename, file.mime_type, file.bytes];
            let (id, file_size): (String, u32) = statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok::<_, rusqlite::Error>(StoredFile {
                file_url: file_url(&id),
                id,
                user_id: file.user_id,
                username,
                room: file.room,
                filename: file.filename,
                mime_type: file.mime_type,
                file_size,
                timestamp: sent,
            })
        })
        .await
    }

    /// The file with that id, and its bytes.
    pub(crate) async fn file(&self, id: &str) -> Result<Option<File>, StoreError> {
        const SQL: &str = "SELECT user_id, username, room, timestamp,
                    filename, mime_type, file_size, bytes
             FROM files JOIN messages ON messages.id = files.message_id
             WHERE files.id = ?1";
        let id = id.to_owned();
        self.read(move |db| {
            let mut statement = db.prepare_cached(SQL)?;
            let file = statement.query_row(params![id], |row| {
                let metadata = StoredFile {
                    id: id.clone(),
                    file_url: file_url(&id),
                    user_id: row.get(0)?,
                    username: row.get(1)?,
                    room: row.get(2)?,
                    timestamp: row.get(3)?,
                    filename: row.get(4)?,
                    mime_type: row.get(5)?,
                    file_size: row.get(6)?,
                };
                let bytes = row.get(7)?;
                Ok(File { metadata, bytes })
            });
            file.optional()
        })
        .await
    }

    /// Removes a file and its entry in the history; says whether it was there.
    pub(crate) async fn delete_file(&self, id: &str) -> Result<bool, StoreError> {
        // The file goes with its entry, by the schema's cascade.
        const SQL: &str = "DELETE FROM messages WHERE id = (SELECT message_id FROM files WHERE id = ?1)";
        let id = id.to_owned();
        self.write(move |db| {
            let deleted = db.prepare_cached(SQL)?.execute(params![id])?;
            Ok::<_, rusqlite::Error>(deleted > 0)
        })
        .await
    }
}

/// Where the chat serves the file with that id.
pub(super) fn file_url(id: &str) -> String {
    format!("/api/files/{id}")
}
