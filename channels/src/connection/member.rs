//! A connection that sets find by its id.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use super::Connection;
use crate::id::ConnectionId;

/// Hashed and compared as its id is, which it need not hold twice: an entry of a set is one pointer.
pub(super) struct Member(pub(super) Connection);

impl Borrow<ConnectionId> for Member {
    fn borrow(&self) -> &ConnectionId {
        &self.0.0.id
    }
}

impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.0.id.hash(state);
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.0.0.id == other.0.0.id
    }
}

impl Eq for Member {}
