//! A set that is small nearly always: a user's connections, a connection's groups.

use std::hash::Hash;

use indexmap::{Equivalent, IndexSet};

/// How many are looked through one by one before there is a table.
const FEW: usize = 8;

/// In no particular order. One or a few cost what they are, and many are found by their hash.
#[derive(Debug)]
pub(super) enum SmallSet<T> {
    Few(Vec<T>),
    Many(Box<IndexSet<T>>),
}

impl<T> Default for SmallSet<T> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<T: Hash + Eq> SmallSet<T> {
    /// Whether it is new.
    pub(super) fn insert(&mut self, item: T) -> bool {
        match self {
            Self::Few(few) if few.contains(&item) => false,
            Self::Few(few) if few.len() < FEW => {
                few.reserve_exact(1);
                few.push(item);
                true
            }
            Self::Few(few) => {
                let mut many: IndexSet<T> = std::mem::take(few).into_iter().collect();
                many.insert(item);
                *self = Self::Many(Box::new(many));
                true
            }
            Self::Many(many) => many.insert(item),
        }
    }

    pub(super) fn remove<Q: Hash + Equivalent<T> + ?Sized>(&mut self, item: &Q) -> Option<T> {
        let removed = match self {
            Self::Few(few) => {
                let at = few.iter().position(|other| item.equivalent(other))?;
                few.swap_remove(at)
            }
            Self::Many(many) => many.swap_remove_full(item)?.1,
        };
        // What was large and is small gives its memory back.
        if let Self::Many(many) = self {
            if many.len() <= FEW / 2 {
                *self = Self::Few(std::mem::take(&mut **many).into_iter().collect());
            } else if many.capacity() > 8 * FEW && many.len() * 4 < many.capacity() {
                many.shrink_to_fit();
            }
        }
        Some(removed)
    }

    pub(super) fn contains<Q: Hash + Equivalent<T> + ?Sized>(&self, item: &Q) -> bool {
        match self {
            Self::Few(few) => few.iter().any(|other| item.equivalent(other)),
            Self::Many(many) => many.contains(item),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few), None),
            Self::Many(many) => (None, Some(many)),
        };
        few.into_iter().flatten().chain(many.into_iter().flat_map(|many| many.iter()))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_same_whether_few_or_many() {
        let mut set = SmallSet::default();
        for round in 0..2 {
            for number in 0..100_u32 {
                assert_eq!(set.insert(number), round == 0, "{number}");
            }
        }
        assert_eq!((set.len(), set.iter().copied().max()), (100, Some(99)));
        for number in 0..100_u32 {
            assert!(set.contains(&number));
            assert_eq!(set.remove(&number), Some(number));
            assert_eq!(set.remove(&number), None);
            assert!(!set.contains(&number));
        }
        assert!(set.is_empty() && matches!(set, SmallSet::Few(_)));
    }
}
