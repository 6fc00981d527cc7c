//! A join on its way: complete, or as if it had never been.

use std::time::Duration;

use channels::{ChannelLayer, Connection, Error};

use crate::{refusal, rooms};

/// How long it may take until the room is heard here and its members are counted: the answer comes within 5 s.
const WITHIN: Duration = Duration::from_millis(4500);

/// A connection that has joined a room's group. Dropped, it leaves again: who is told that it failed must not be in
/// the room all the same.
pub(crate) struct Entering<'a> {
    conn: &'a Connection,
    room: &'a str,
    user_count: usize,
    kept: bool,
}

impl<'a> Entering<'a> {
    /// Joins, and counts who is there. Nothing is stored before, so that a join that fails leaves no row.
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the room cannot be heard now; `VALIDATION_FAILED` where one is in it already.
    pub(crate) async fn begin(conn: &'a Connection, layer: &ChannelLayer, room: &'a str) -> Result<Self, Error> {
        let enter = async {
            if !conn.join(room).await? {
                return Err(refusal::already_in(room));
            }
            let mut entering = Self { conn, room, user_count: 0, kept: false };
            // A room that others of this server are in counts as heard until the loss of the backend is noticed.
            // This question is not answered then.
            entering.user_count = rooms::user_count(layer, room).await?;
            Ok(entering)
        };
        let late = |_| Err(Error::backend("The room cannot be joined now."));
        tokio::time::timeout(WITHIN, enter).await.unwrap_or_else(late)
    }

    /// It is a member from now on; and how many there are.
    pub(crate) fn keep(mut self) -> (&'a Connection, usize) {
        self.kept = true;
        (self.conn, self.user_count)
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.conn.leave(self.room);
        }
    }
}
