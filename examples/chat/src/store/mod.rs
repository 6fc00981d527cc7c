//! What the chat keeps: users, rooms, members, messages and files, in SQLite.
//!
//! Every method of [`Store`] is async and none blocks an async thread: one
//! thread owns the connection that writes, another the one that reads.
//!
//! - **Kept** is what has been answered: a write is answered after its commit.
//!   It survives the end of the process, however sudden. When the machine
//!   itself goes down, the last moments may be missing
//!   (`synchronous=NORMAL`), and the file is whole all the same.
//! - **Shared**: several chats may use one file. A write waits up to 5 s for
//!   another's, and then fails. Opening changes nobody's rows.
//! - **Ordered**: a room's history has one order, in which its entries were
//!   stored, whichever chat stored them and whatever its clock said.
//! - **Bounded** are the queues, of 1,024 requests each; a caller waits for room
//!   in them. Nothing bounds the file: no row is removed unless it is asked for.
//! - **Cancelled** calls: a write whose future is dropped may still happen.
//!
//! The parts depend one way: [`error`] ← [`url`] ← [`connect`], [`error`] ←
//! [`lane`] ← [`writer`], both ← [`Store`]; and of what adds methods to it,
//! [`users`] ← [`entry`] ← [`files`] ← [`history`], with [`rooms`] beside them.

mod connect;
mod entry;
mod error;
mod files;
mod history;
mod lane;
mod rooms;
#[cfg(test)]
pub(crate) mod tests;
mod url;
mod users;
mod writer;

use rusqlite::Connection;

pub(crate) use self::error::StoreError;
pub(crate) use self::files::{NewFile, StoredFile};
pub(crate) use self::history::{HistoryEntry, StoredMessage};
use self::lane::Lane;
pub(crate) use self::rooms::Room;
use self::url::{DatabaseUrl, Place};

/// The chat's database. A clone is cheap and is the same database.
///
/// # Errors
///
/// Besides the errors that a method names, each may fail with
/// [`StoreError::Sqlite`], [`StoreError::Panicked`] and, after
/// [`close`](Store::close), with [`StoreError::Closed`]. What failed with the
/// first two is not stored.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: Lane,
    reader: Lane,
}

impl Store {
    /// Opens the database, and creates what is missing of its schema.
    ///
    /// The URL is `sqlite://PATH?mode=rwc`, with three slashes for an absolute
    /// path, the mode `ro`, `rw` or `rwc` (the default), and a path whose
    /// special characters are percent-encoded; or `sqlite::memory:`, which
    /// every call opens anew.
    ///
    /// It blocks, usually for milliseconds, and for up to 20 s while another
    /// process has the file locked: call it before the server starts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] and [`StoreError::Open`] name the URL and the reason.
    pub(crate) fn open(database_url: &str) -> Result<Self, StoreError> {
        let url = DatabaseUrl::parse(database_url)?;
        let start = |name, connection, work| {
            Lane::start(name, connection, work)
                .map_err(|error| StoreError::Open { url: database_url.to_owned(), reason: error.to_string() })
        };
        let connection = connect::open_writer(database_url, &url)?;
        let writer = start("chat-store-write", connection, writer::write)?;
        // A database in memory belongs to its one connection, so reads queue
        // with the writes there.
        let reader = match url.place {
            Place::Memory => writer.clone(),
            Place::File(_) => {
                let connection = connect::open_reader(database_url, &url)?;
                start("chat-store-read", connection, lane::read)?
            }
        };
        Ok(Self { writer, reader })
    }

    /// Whether the database can be written and read now.
    ///
    /// It queues with all other requests and waits for the file's lock, so give
    /// it a timeout. With `mode=ro` it says whether it can be read.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        // An empty write still takes the lock.
        self.write(|_| Ok::<_, StoreError>(())).await?;
        let sql = "SELECT EXISTS (SELECT 1 FROM rooms)";
        self.read(|db| db.prepare_cached(sql)?.query_row([], |_| Ok(()))).await
    }

    /// Closes the database for all clones: refuses what comes, finishes what is
    /// queued, and returns when the file is closed. It may be called again.
    pub(crate) async fn close(&self) {
        // The last connection to close writes the log back into the file, which
        // only the writer may do.
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Runs `work` on the reading connection.
    async fn read<T, E, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<StoreError>,
    {
        self.reader.run(work).await
    }

    /// Runs `work` inside a transaction, and returns after its commit. Of work
    /// that fails, nothing is stored.
    async fn write<T, E, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Into<StoreError>,
    {
        self.writer.run(work).await
    }
}
