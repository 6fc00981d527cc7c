//! The thread that writes: what is queued goes into one transaction.
//!
//! A commit costs the same for one message as for a hundred, so the requests
//! that arrive during one commit share the next. Each runs in a savepoint of
//! its own, so that one that fails takes nothing else with it, and all are
//! answered after the commit.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::StoreError;
use super::lane::{Job, Request, next, queued};

/// The most requests in one transaction.
const BATCH: usize = 256;

/// How long a transaction takes further requests: as long as it is open, other
/// processes cannot write.
const BATCH_TIME: Duration = Duration::from_millis(20);

/// Works off the queue, batch by batch, until it ends.
pub(super) fn write(mut connection: Connection, mut queue: mpsc::Receiver<Request>) {
    while let Some(first) = next(&mut queue) {
        write_batch(&mut connection, first, &mut queue);
    }
}

fn write_batch(connection: &mut Connection, first: Box<dyn Job>, queue: &mut mpsc::Receiver<Request>) {
    // IMMEDIATE takes the write lock here, where SQLite waits for it; a lock
    // that is wanted in mid-transaction can be refused without a wait.
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return refuse(first, queue, &error.into()),
    };
    let (jobs, outcome) = run_batch(transaction, first, queue);
    for job in jobs {
        job.answer(outcome.clone());
    }
}

/// Answers everything that waits with the error that kept a transaction from
/// beginning. If each tried for itself, the last would wait for the lock as
/// many times as there are requests.
fn refuse(first: Box<dyn Job>, queue: &mut mpsc::Receiver<Request>, error: &StoreError) {
    first.answer(Err(error.clone()));
    for job in std::iter::from_fn(|| queued(queue)).take(BATCH) {
        job.answer(Err(error.clone()));
    }
}

type Batch = (Vec<Box<dyn Job>>, Result<(), StoreError>);

fn run_batch(mut transaction: Transaction<'_>, first: Box<dyn Job>, queue: &mut mpsc::Receiver<Request>) -> Batch {
    let begun = Instant::now();
    let mut jobs = Vec::new();
    let mut job = Some(first);
    while let Some(mut current) = job {
        let outcome = run_one(&mut transaction, current.as_mut());
        jobs.push(current);
        if outcome.is_err() {
            return (jobs, outcome);
        }
        let open = jobs.len() < BATCH && begun.elapsed() < BATCH_TIME;
        job = if open { queued(queue) } else { None };
    }
    (jobs, transaction.commit().map_err(Into::into))
}

/// Runs one request and keeps or undoes its changes.
///
/// # Errors
///
/// The whole transaction is lost: a full disk and its like end it, whoever hit
/// it. An error of the request alone is the request's own to answer.
fn run_one(transaction: &mut Transaction<'_>, job: &mut dyn Job) -> Result<(), StoreError> {
    let savepoint = transaction.savepoint()?;
    match job.run(&savepoint) {
        Ok(()) => savepoint.commit()?,
        Err(error) => savepoint.finish().map_err(|_| error)?,
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use rusqlite::{Connection, OpenFlags};
    use tokio::sync::oneshot;

    use super::super::entry::add_entry;
    use super::super::tests::{Folder, texts};
    use super::super::{Store, StoreError};

    /// Holds the writer up until the sender is dropped, in a batch of its own,
    /// since it fails and ends its transaction.
    async fn hold(store: &Store) -> Sender<()> {
        let (release, held) = channel::<()>();
        let (started, running) = oneshot::channel();
        let store = store.clone();
        tokio::spawn(async move {
            let held = store.write(move |db| {
                started.send(()).unwrap();
                let _ = held.recv();
                db.execute_batch("ROLLBACK")
            });
            held.await.unwrap_err();
        });
        running.await.unwrap();
        release
    }

    fn save(db: &Connection, text: &str) -> rusqlite::Result<i64> {
        add_entry(db, "a", "ada", Some(text), 1.0).map(|(id, _)| id)
    }

    fn panic_after_a_save(db: &Connection) -> Result<(), StoreError> {
        save(db, "undone, too")?;
        panic!("as the test wants");
    }

    /// How many messages another connection sees.
    fn committed(file: PathBuf) -> i64 {
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let sql = "SELECT count(*) FROM messages";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn what_is_queued_shares_a_transaction_and_is_answered_after_it() {
        let folder = Folder::new();
        let store = folder.open();
        let release = hold(&store).await;
        let file = folder.file();
        let (first, second, seen, ()) = tokio::join!(
            store.write(|db| save(db, "first")),
            store.write(|db| save(db, "second")),
            store.write(move |_| Ok::<_, StoreError>(committed(file))),
            async { drop(release) },
        );
        assert!(first.unwrap() < second.unwrap());
        assert_eq!(seen.unwrap(), 0, "inside the batch, nothing is committed");
        assert_eq!(committed(folder.file()), 2);
    }

    #[tokio::test]
    async fn a_request_that_fails_or_panics_takes_nothing_else_with_it() {
        let folder = Folder::new();
        let store = folder.open();
        let release = hold(&store).await;
        let (before, failed, panicked, after, ()) = tokio::join!(
            store.write(|db| save(db, "before")),
            store.write(|db| {
                save(db, "undone")?;
                db.execute_batch("no SQL")
            }),
            store.write(panic_after_a_save),
            store.write(|db| save(db, "after")),
            async { drop(release) },
        );
        before.unwrap();
        after.unwrap();
        assert!(matches!(failed, Err(StoreError::Sqlite(_))));
        assert!(matches!(panicked, Err(StoreError::Panicked)));
        assert_eq!(texts(&store, "a").await, ["before", "after"]);
    }

    #[tokio::test]
    async fn a_lost_transaction_is_told_to_all_of_its_batch() {
        let folder = Folder::new();
        let store = folder.open();
        let release = hold(&store).await;
        let (before, lost, after, ()) = tokio::join!(
            store.write(|db| save(db, "before")),
            store.write(|db| db.execute_batch("ROLLBACK")),
            store.write(|db| save(db, "after")),
            async { drop(release) },
        );
        assert!(matches!(before, Err(StoreError::Sqlite(_))));
        assert!(matches!(lost, Err(StoreError::Sqlite(_))));
        after.unwrap();
        assert_eq!(texts(&store, "a").await, ["after"]);
    }

    #[tokio::test]
    async fn a_file_locked_for_too_long_refuses_all_who_wait_and_no_later_ones() {
        let folder = Folder::new();
        let store = folder.open();
        let patience = Duration::from_millis(20);
        store.write(move |db| db.busy_timeout(patience)).await.unwrap();
        let other = Connection::open(folder.file()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let unlock = || other.execute_batch("COMMIT").unwrap();
        let (first, second, ping) = tokio::join!(
            async {
                let first = store.save_message("a", "ada", "x", 1.0).await;
                assert!(texts(&store, "a").await.is_empty(), "reads go on");
                unlock();
                first
            },
            store.save_message("a", "ada", "y", 1.0),
            store.ping(),
        );
        for outcome in [first.map(drop), second.map(drop), ping] {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("locked"), "{error}");
        }
        store.save_message("a", "ada", "z", 1.0).await.unwrap();
        assert_eq!(texts(&store, "a").await, ["z"]);
    }

    #[tokio::test]
    async fn a_close_in_the_midst_of_a_batch_lets_the_batch_finish() {
        let folder = Folder::new();
        let store = folder.open();
        let release = hold(&store).await;
        let (before, (), after, ()) = tokio::join!(
            store.write(|db| save(db, "before")),
            store.writer.close(),
            store.write(|db| save(db, "after")),
            async { drop(release) },
        );
        assert!(before.unwrap() < after.unwrap());
        assert_eq!(committed(folder.file()), 2);
    }

    #[tokio::test]
    async fn a_save_whose_caller_is_gone_still_happens() {
        let folder = Folder::new();
        let store = folder.open();
        let release = hold(&store).await;
        let caller = tokio::spawn({
            let store = store.clone();
            async move { store.write(|db| save(db, "x")).await }
        });
        tokio::task::yield_now().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        drop(release);
        store.ping().await.unwrap();
        assert_eq!(texts(&store, "a").await, ["x"]);
    }
}
