//! Opening the database: flags, pragmas and the schema's version.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::StoreError;
use super::url::{DatabaseUrl, Mode, Place};

/// How long SQLite waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening is tried again where SQLite does not wait by itself.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two such tries.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// How many prepared statements a connection keeps; more than the store has.
const STATEMENTS: usize = 64;

/// The steps from an empty file to this version's schema. A file's
/// `user_version` says how many of them it has been through.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Opens the connection that writes, and brings the file to this version's
/// schema. It blocks for up to two times 5 s while another process has the file locked.
///
/// # Errors
///
/// [`StoreError::Open`] with the URL and the reason.
pub(super) fn open_writer(name: &str, url: &DatabaseUrl) -> Result<Connection, StoreError> {
    open(name, url, |connection| {
        if url.mode != Mode::ReadOnly && url.place != Place::Memory {
            write_ahead(connection)?;
        }
        migrate(connection, url.mode)
    })
}

/// Opens a connection that only reads, after [`open_writer`].
///
/// # Errors
///
/// [`StoreError::Open`] with the URL and the reason.
pub(super) fn open_reader(name: &str, url: &DatabaseUrl) -> Result<Connection, StoreError> {
    open(name, url, |connection| {
        connection.pragma_update(None, "query_only", true)?;
        Ok(())
    })
}

/// Why a connection is not usable: SQLite's reason, or one in our own words.
enum Refusal {
    Sqlite(rusqlite::Error),
    Words(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn open(
    name: &str,
    url: &DatabaseUrl,
    prepare: impl Fn(&mut Connection) -> Result<(), Refusal>,
) -> Result<Connection, StoreError> {
    let deadline = Instant::now() + OPEN_TIMEOUT;
    let outcome = loop {
        match connect(url).and_then(|mut c| prepare(&mut c).map(|()| c)) {
            // Switching to WAL and recovering it after a crash are refused at
            // once, without the busy timeout, while another process is at it.
            Err(Refusal::Sqlite(error)) if is_busy(&error) && Instant::now() < deadline => {
                std::thread::sleep(OPEN_PAUSE);
            }
            outcome => break outcome,
        }
    };
    outcome.map_err(|refusal| StoreError::Open {
        url: name.to_owned(),
        reason: match refusal {
            Refusal::Sqlite(error) => explain(&error, url),
            Refusal::Words(words) => words,
        },
    })
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// SQLite says "unable to open database file" to everything; an operator wants
/// to hear what is missing.
fn explain(error: &rusqlite::Error, url: &DatabaseUrl) -> String {
    let Place::File(path) = &url.place else {
        return error.to_string();
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        format!("the folder `{}` does not exist", folder.display())
    } else if path.is_dir() {
        format!("`{}` is a folder", path.display())
    } else if !path.exists() && url.mode != Mode::Create {
        "the file does not exist, and only `mode=rwc` creates it".to_owned()
    } else {
        error.to_string()
    }
}

fn connect(url: &DatabaseUrl) -> Result<Connection, Refusal> {
    let access = match url.mode {
        Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    // One thread owns each connection, so SQLite needs no lock of its own.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match &url.place {
        Place::Memory => Connection::open_in_memory_with_flags(flags)?,
        Place::File(path) => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn write_ahead(connection: &Connection) -> Result<(), Refusal> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        // Some file systems cannot share memory. Everything still works, but
        // readers and the writer wait for each other.
        tracing::warn!(journal_mode = mode, "the database has no write-ahead log");
        return Ok(());
    }
    // In WAL, NORMAL keeps the file whole in every crash; without WAL it does
    // not, and so it is only set here.
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(())
}

fn migrate(connection: &mut Connection, mode: Mode) -> Result<(), Refusal> {
    // Looked up without a lock first: a start next to a busy chat is not to
    // wait for its writer.
    match remaining(connection)? {
        [] => return Ok(()),
        _ if mode == Mode::ReadOnly => {
            let words = "it lacks this version's schema; open it with `mode=rwc` once";
            return Err(Refusal::Words(words.to_owned()));
        }
        _ => {}
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster, so it is looked up again under the lock.
    for step in remaining(&transaction)? {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

fn remaining(connection: &Connection) -> Result<&'static [&'static str], Refusal> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).ok();
    done.and_then(|done| MIGRATIONS.get(done..)).ok_or_else(|| {
        let newest = MIGRATIONS.len();
        Refusal::Words(format!("its schema has version {version}, and this program knows versions up to {newest}"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Barrier;

    use rusqlite::Connection;

    use super::super::tests::{Folder, texts};
    use super::super::{Store, StoreError};

    /// Why the URL cannot be opened; the words name it.
    fn refusal(url: &str) -> String {
        let error = Store::open(url).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        let words = error.to_string();
        assert!(words.contains(url), "{words}");
        words
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused_in_words() {
        let folder = Folder::new();
        let words = refusal("sqlite:///no/such/folder/chat.db?mode=rwc");
        assert!(words.contains("the folder `/no/such/folder` does not exist"), "{words}");
        let words = refusal("sqlite:///tmp?mode=rwc");
        assert!(words.contains("`/tmp` is a folder"), "{words}");
        for mode in ["rw", "ro"] {
            let words = refusal(&folder.url(mode));
            assert!(words.contains("the file does not exist"), "{words}");
            assert!(!folder.file().exists());
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        let folder = Folder::new();
        let words = "no database, though long enough to be one. ".repeat(100);
        std::fs::write(folder.file(), &words).unwrap();
        assert!(refusal(&folder.url("rwc")).contains("not a database"));
        assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), words);
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let folder = Folder::new();
        folder.open().close().await;
        let db = Connection::open(folder.file()).unwrap();
        db.pragma_update(None, "user_version", 7).unwrap();
        assert!(refusal(&folder.url("rwc")).contains("its schema has version 7"));
        db.pragma_update(None, "user_version", -1).unwrap();
        assert!(refusal(&folder.url("rwc")).contains("its schema has version -1"));
    }

    #[tokio::test]
    async fn a_read_only_database_is_read_and_never_written() {
        let folder = Folder::new();
        Connection::open(folder.file()).unwrap().execute_batch("VACUUM").unwrap();
        assert!(refusal(&folder.url("ro")).contains("lacks this version's schema"));
        let writer = folder.open();
        writer.save_message("a", "ada", "hi", 1.0).await.unwrap();

        let store = Store::open(&folder.url("ro")).unwrap();
        store.ping().await.unwrap();
        assert_eq!(texts(&store, "a").await, ["hi"]);
        let error = store.save_message("a", "ada", "x", 1.0).await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }

    #[test]
    fn threads_that_open_one_new_file_at_once_all_succeed() {
        const THREADS: usize = 8;
        for _ in 0..20 {
            let folder = Folder::new();
            let start = Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        start.wait();
                        folder.open()
                    });
                }
            });
        }
    }

    #[tokio::test]
    async fn opening_does_not_wait_for_a_writer() {
        let folder = Folder::new();
        folder.open().close().await;
        let writer = Connection::open(folder.file()).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(texts(&folder.open(), "a").await.is_empty());
    }
}
