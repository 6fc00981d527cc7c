//! The row that a text and a file have alike, and which gives them one order.

use rusqlite::{Connection, params};

use super::users::username;

/// Adds the newest entry of a room's history, without a text where it is a
/// file. Returns its id and the name under which the user wrote it.
pub(super) fn add_entry(
    db: &Connection,
    room: &str,
    user_id: &str,
    text: Option<&str>,
    now: f64,
) -> rusqlite::Result<(i64, String)> {
    const SQL: &str = "INSERT INTO messages (room, user_id, username, text, timestamp)
         VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
    let username = username(db, user_id)?;
    let mut statement = db.prepare_cached(SQL)?;
    let values = params![room, user_id, username, text, now];
    let id = statement.query_row(values, |row| row.get(0))?;
    Ok((id, username))
}
