//! Who may begin beside those who run: a place for each of so many, and one at a time of each order.

use super::overlap::Overlap;

/// What is taken by handlers that run.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// By the handlers' indexes.
    taken: Vec<u16>,
    /// The orders of those who run: of which handler, and which value.
    orders: Vec<(u16, u64)>,
}

/// What stands in somebody's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// One of the same order, which does not keep others from beginning.
    Order,
    /// There are as many as may be.
    Full,
}

impl Slots {
    /// Takes a place, where nothing stands in the way.
    pub(super) fn take(&mut self, overlap: &Overlap) -> Result<(), Obstacle> {
        if let Some(order) = overlap.order
            && self.orders.contains(&(overlap.index, order))
        {
            return Err(Obstacle::Order);
        }
        let index = usize::from(overlap.index);
        if self.taken.len() <= index {
            self.taken.resize(index + 1, 0);
        }
        if self.taken[index] >= overlap.most {
            return Err(Obstacle::Full);
        }
        self.taken[index] += 1;
        self.orders.extend(overlap.order.map(|order| (overlap.index, order)));
        Ok(())
    }

    /// Gives a place back that was taken for the same.
    pub(super) fn give_back(&mut self, overlap: &Overlap) {
        if let Some(taken) = self.taken.get_mut(usize::from(overlap.index)) {
            *taken -= 1;
        }
        if let Some(order) = overlap.order
            && let Some(at) = self.orders.iter().position(|running| *running == (overlap.index, order))
        {
            self.orders.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_be_begin_and_the_next_when_one_has_ended() {
        let (mut slots, two, other) = (Slots::default(), Overlap::new(1, 2, None), Overlap::new(0, 1, None));
        assert_eq!([slots.take(&two), slots.take(&two)], [Ok(()), Ok(())]);
        assert_eq!(slots.take(&two), Err(Obstacle::Full));
        assert_eq!(slots.take(&other), Ok(()), "each handler has places of its own");
        slots.give_back(&two);
        assert_eq!(slots.take(&two), Ok(()));
        assert_eq!(slots.take(&two), Err(Obstacle::Full));
    }

    #[test]
    fn one_of_an_order_at_a_time() {
        let mut slots = Slots::default();
        let [red, blue] = [1, 2].map(|order| Overlap::new(0, 2, Some(order)));
        let elsewhere = Overlap::new(1, 1, Some(1));
        assert_eq!(slots.take(&red), Ok(()));
        assert_eq!(slots.take(&red), Err(Obstacle::Order));
        assert_eq!(slots.take(&elsewhere), Ok(()), "the order is one handler's");
        assert_eq!(slots.take(&blue), Ok(()));
        assert_eq!(
            slots.take(&blue),
            Err(Obstacle::Order),
            "which does not hold up others, though all places are taken"
        );
        slots.give_back(&red);
        assert_eq!(slots.take(&red), Ok(()));
    }
}
