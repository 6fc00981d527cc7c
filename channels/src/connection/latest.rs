//! Where the latest message of each key waits in a queue, so that the next one takes its place.

use std::collections::HashMap;

use super::queue::Queue;
use super::slot::Slot;
use crate::websocket::Chunk;

/// So many gaps are left in a queue, or as many as there are messages, before they are closed.
const FEW_GAPS: usize = 32;

/// An index of one queue, which is only pushed to while it has one. What left its place has left a gap: an empty chunk.
#[derive(Debug, Default)]
pub(super) struct Latest {
    places: HashMap<Slot, usize>,
    gaps: usize,
}

impl Latest {
    /// What waits in a slot: how many bytes of payload.
    pub(super) fn waiting(&self, queue: &Queue, slot: &Slot) -> Option<usize> {
        let place = *self.places.get(slot)?;
        queue.get(place).map(|chunk| chunk.payload)
    }

    /// Queues a message, in the place of the one that waits in its slot: behind all others, as it was sent after them.
    pub(super) fn push(&mut self, queue: &mut Queue, slot: Slot, chunk: Chunk) {
        if let Some(before) = self.places.insert(slot, queue.len())
            && let Some(old) = queue.get_mut(before)
        {
            *old = Chunk::default();
            self.gaps += 1;
        }
        queue.push_back(chunk);
        if self.gaps > FEW_GAPS && self.gaps > queue.len() / 2 {
            self.close_gaps(queue);
        }
    }

    /// What was the index of a queue that was appended, whose first place is now this one.
    pub(super) fn append(&mut self, other: Self, first: usize) {
        self.gaps += other.gaps;
        self.places.extend(other.places.into_iter().map(|(slot, place)| (slot, first + place)));
    }

    /// Leaves only what is to be written.
    pub(super) fn close_gaps(&mut self, queue: &mut Queue) {
        if self.gaps == 0 {
            return;
        }
        let mut gaps = 0;
        let is_gap = |chunk: &Chunk| chunk.bytes.is_empty();
        let places = queue.iter().enumerate().map(|(place, chunk)| {
            gaps += usize::from(is_gap(chunk));
            place - gaps.min(place)
        });
        let places: Vec<usize> = places.collect();
        for place in self.places.values_mut() {
            *place = places[*place];
        }
        queue.retain(|chunk| !is_gap(chunk));
        self.gaps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::slot::Audience;
    use super::*;
    use crate::message::Key;
    use crate::websocket::{OpCode, data};

    fn slot(number: usize) -> Slot {
        Slot::of(Audience::Own, None, Key::new("cursor", &number).unwrap().as_str())
    }

    fn payloads(queue: &Queue) -> Vec<usize> {
        queue.iter().filter(|chunk| chunk.messages > 0).map(|chunk| chunk.payload).collect()
    }

    /// Against what it should be, by a model that is slow and plain.
    #[test]
    fn of_each_slot_the_latest_waits_in_the_order_of_the_pushes() {
        let (mut latest, mut queue) = (Latest::default(), Queue::Empty);
        let mut expected: Vec<(Option<usize>, usize)> = Vec::new();
        // A linear congruential generator: the same numbers each time.
        let mut seed = 1_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for step in 1..20_000 {
            let chunk = data(OpCode::Binary, &vec![0; step % 1000], false);
            let of = next(40);
            if of == 0 {
                queue.push_back(chunk);
                expected.push((None, step % 1000));
            } else {
                let waiting = expected.iter().position(|(slot, _)| *slot == Some(of));
                assert_eq!(latest.waiting(&queue, &slot(of)), waiting.map(|at| expected[at].1));
                waiting.map(|at| expected.remove(at));
                expected.push((Some(of), step % 1000));
                latest.push(&mut queue, slot(of), chunk);
            }
            assert!(queue.len() <= 2 * expected.len() + FEW_GAPS + 1, "{} places for {}", queue.len(), expected.len());
            if next(200) == 0 {
                assert_eq!(payloads(&queue), expected.iter().map(|(_, size)| *size).collect::<Vec<_>>());
                if next(3) == 0 {
                    latest.close_gaps(&mut queue);
                    assert_eq!(queue.len(), expected.len());
                }
            }
            if next(3000) == 0 {
                (latest, queue) = (Latest::default(), Queue::Empty);
                expected.clear();
            }
        }
    }
}
