//! A set that is small nearly always: a user's connections, a connection's groups.

use std::hash::Hash;

use indexmap::{Equivalent, IndexSet};

/// How many are looked through one by one before there is a table.
const FEW: usize = 8;

/// In no particular order. None and one cost nothing beside themselves, a few are looked through, and many are found
/// by their hash.
#[derive(Debug, Default)]
pub(super) enum SmallSet<T> {
    #[default]
    Empty,
    One(T),
    Few(Vec<T>),
    Many(Box<IndexSet<T>>),
}

impl<T: Hash + Eq> SmallSet<T> {
    /// Whether it is new.
    pub(super) fn insert(&mut self, item: T) -> bool {
        if self.contains(&item) {
            return false;
        }
        *self = match std::mem::take(self) {
            Self::Empty => Self::One(item),
            Self::One(first) => Self::Few(vec![first, item]),
            Self::Few(mut few) if few.len() < FEW => {
                few.push(item);
                Self::Few(few)
            }
            Self::Few(few) => Self::Many(Box::new(few.into_iter().chain([item]).collect())),
            Self::Many(mut many) => {
                many.insert(item);
                Self::Many(many)
            }
        };
        true
    }

    pub(super) fn remove<Q: Hash + Equivalent<T> + ?Sized>(&mut self, item: &Q) -> Option<T> {
        let (removed, left) = match std::mem::take(self) {
            Self::Empty => (None, Self::Empty),
            Self::One(only) if item.equivalent(&only) => (Some(only), Self::Empty),
            Self::One(only) => (None, Self::One(only)),
            Self::Few(mut few) => {
                let at = few.iter().position(|other| item.equivalent(other));
                (at.map(|at| few.swap_remove(at)), Self::from_few(few))
            }
            Self::Many(mut many) => {
                let removed = many.swap_remove_full(item).map(|(_, item)| item);
                (removed, Self::from_many(many))
            }
        };
        *self = left;
        removed
    }

    fn from_few(mut few: Vec<T>) -> Self {
        match (few.len(), few.pop()) {
            (1, Some(only)) => Self::One(only),
            (_, Some(last)) => {
                few.push(last);
                Self::Few(few)
            }
            (_, None) => Self::Empty,
        }
    }

    /// What was large and is small gives its memory back.
    fn from_many(mut many: Box<IndexSet<T>>) -> Self {
        if many.len() <= FEW / 2 {
            return Self::from_few(many.into_iter().collect());
        }
        if many.capacity() > 8 * FEW && many.len() * 4 < many.capacity() {
            many.shrink_to_fit();
        }
        Self::Many(many)
    }

    pub(super) fn contains<Q: Hash + Equivalent<T> + ?Sized>(&self, item: &Q) -> bool {
        match self {
            Self::Many(many) => many.contains(item),
            few => few.iter().any(|other| item.equivalent(other)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::Empty => (&[][..], None),
            Self::One(only) => (std::slice::from_ref(only), None),
            Self::Few(few) => (&few[..], None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        few.iter().chain(many.into_iter().flat_map(|many| many.iter()))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
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
        assert!(set.is_empty() && matches!(set, SmallSet::Empty));
    }
}
