//! Groups by name, and who is in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use indexmap::IndexMap;

/// The members of a group, by the number of their connection.
pub(super) struct Group<M>(RwLock<IndexMap<usize, M>>);

/// All groups. One that is empty stays: there are as many as names in use.
pub(super) struct Groups<M>(Mutex<HashMap<Box<str>, Arc<Group<M>>>>);

impl<M> Default for Groups<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M> Groups<M> {
    /// The group of that name, a new one if need be.
    pub(super) fn get(&self, name: &str) -> Arc<Group<M>> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(name) {
            return Arc::clone(group);
        }
        let group = Arc::new(Group(RwLock::default()));
        groups.insert(name.into(), Arc::clone(&group));
        group
    }
}

impl<M> Group<M> {
    pub(super) fn join(&self, number: usize, member: M) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(number, member);
    }

    pub(super) fn leave(&self, number: usize) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).swap_remove(&number);
    }

    /// Whoever is in it now, while the guard is held.
    pub(super) fn members(&self) -> RwLockReadGuard<'_, IndexMap<usize, M>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let groups = Groups::default();
        groups.get("a").join(1, "one");
        groups.get("a").join(2, "two");
        groups.get("b").join(1, "one");
        groups.get("a").leave(1);
        assert_eq!(groups.get("a").members().values().copied().collect::<Vec<_>>(), ["two"]);
        assert_eq!(groups.get("b").members().len(), 1);
    }
}
