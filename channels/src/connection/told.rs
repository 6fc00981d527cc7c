//! `$dropped`: what a client is told of messages that it did not get.

use serde::Serialize;

use super::encoded::{Encoded, Ready};
use super::link::Link;
use crate::message::control_frame;
use crate::websocket::Chunk;

/// Counts by group; `None` stands for what was for no group. As many entries as groups, at most.
#[derive(Debug, Default)]
pub(super) struct Dropped(Vec<(Option<Box<str>>, u64)>);

impl Dropped {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, group: Option<&str>, messages: usize) {
        let messages = messages as u64;
        match self.0.iter_mut().find(|(of, _)| of.as_deref() == group) {
            Some((_, count)) => *count += messages,
            None => self.0.push((group.map(Box::from), messages)),
        }
    }
}

/// One frame for each group, for a client that understands it.
pub(super) fn dropped_frames(link: &Link, dropped: Dropped) -> impl Iterator<Item = Chunk> {
    #[derive(Serialize)]
    struct Told {
        count: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<Box<str>>,
    }
    dropped.0.into_iter().filter(|_| link.extras).filter_map(|(group, count)| {
        let json = control_frame(link.layout, "$dropped", Some(&Told { count, group }), None).ok()?;
        let mut chunk = Encoded::one(&Ready::own(&json)).chunk(link)?;
        // It is about messages, and none of them.
        chunk.messages = 0;
        Some(chunk)
    })
}
