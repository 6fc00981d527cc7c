//! What can go wrong in the store.

use std::sync::Arc;

/// What an operator may write instead of an unusable URL.
const FORMS: &str = "`sqlite://PATH?mode=rwc` (relative), `sqlite:///PATH?mode=rwc` \
     (absolute), each with the mode ro, rw or rwc, and `sqlite::memory:`";

/// Why the store could not be opened, or did not do what it was asked.
///
/// The words are for the operator. They may hold SQL and paths, so a client of
/// the chat should be told less.
///
/// It is `Clone`, since one failed commit answers every request of its batch.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The database URL is not one of the allowed forms.
    #[error("the database URL `{url}` is unusable: {problem}; allowed are {FORMS}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The URL is fine, the database behind it cannot be used.
    #[error("cannot open the database `{url}`: {reason}")]
    Open {
        /// The URL as it was given.
        url: String,
        /// What stood in the way.
        reason: String,
    },
    /// A membership needs a room and a user that the store knows.
    #[error("the room {room:?} or the user {user_id:?} is unknown")]
    UnknownMember {
        /// The room as it was given.
        room: String,
        /// The user as it was given.
        user_id: String,
    },
    /// SQLite refused; after it, nothing of the request has been stored.
    #[error("the database failed: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// The request panicked; nothing of it has been stored, and the store goes on.
    #[error("a request to the database panicked")]
    Panicked,
    /// The store is closed, or its thread has died. If it died between commit
    /// and answer, the request has been stored nonetheless.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
