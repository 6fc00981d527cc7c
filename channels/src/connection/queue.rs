//! Chunks in a row, without an allocation for none or one.

use std::collections::VecDeque;

use crate::websocket::Chunk;

/// Most connections have nothing queued, and most others one message.
#[derive(Debug, Default)]
pub(crate) enum Queue {
    #[default]
    Empty,
    One(Chunk),
    Many(VecDeque<Chunk>),
}

impl Queue {
    pub(crate) fn push_back(&mut self, chunk: Chunk) {
        match std::mem::take(self) {
            Self::Empty => *self = Self::One(chunk),
            Self::One(first) => *self = Self::Many(VecDeque::from([first, chunk])),
            Self::Many(mut chunks) => {
                chunks.push_back(chunk);
                *self = Self::Many(chunks);
            }
        }
    }

    pub(crate) fn push_front(&mut self, chunk: Chunk) {
        match std::mem::take(self) {
            Self::Empty => *self = Self::One(chunk),
            Self::One(last) => *self = Self::Many(VecDeque::from([chunk, last])),
            Self::Many(mut chunks) => {
                chunks.push_front(chunk);
                *self = Self::Many(chunks);
            }
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        match other {
            Self::Empty => {}
            Self::One(chunk) => self.push_back(chunk),
            Self::Many(chunks) => chunks.into_iter().for_each(|chunk| self.push_back(chunk)),
        }
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Chunk> {
        match self {
            Self::Empty => None,
            Self::One(chunk) => Some(chunk),
            Self::Many(chunks) => chunks.front_mut(),
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<&Chunk> {
        match self {
            Self::One(chunk) if place == 0 => Some(chunk),
            Self::Many(chunks) => chunks.get(place),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Chunk> {
        match self {
            Self::One(chunk) if place == 0 => Some(chunk),
            Self::Many(chunks) => chunks.get_mut(place),
            _ => None,
        }
    }

    /// How many chunks there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(chunks) => chunks.len(),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Chunk) -> bool) {
        match self {
            Self::One(chunk) if !keep(chunk) => *self = Self::Empty,
            Self::Many(chunks) => chunks.retain(keep),
            _ => {}
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<Chunk> {
        match self {
            Self::Many(chunks) => chunks.pop_front(),
            _ => match std::mem::take(self) {
                Self::One(chunk) => Some(chunk),
                _ => None,
            },
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        let (one, many) = match self {
            Self::Empty => (None, None),
            Self::One(chunk) => (Some(chunk), None),
            Self::Many(chunks) => (None, Some(chunks)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// How many data messages they hold.
    pub(crate) fn messages(&self) -> usize {
        self.iter().map(|chunk| chunk.messages as usize).sum()
    }
}
