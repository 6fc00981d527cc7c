//! One message on its way to many: JSON once, every other encoding once when it is first needed.

use std::sync::Arc;

use bytestring::ByteString;

use crate::message::{Frame, Serializer};

/// The encodings that a layer speaks; the first is JSON. A connection bears its index.
pub(crate) type Serializers = Arc<[Arc<dyn Serializer>]>;

pub(crate) struct Encoded<'a> {
    serializers: &'a Serializers,
    json: &'a ByteString,
    /// The group it is for, where it is for one.
    group: Option<&'a str>,
    others: Vec<(u8, Option<Frame>)>,
}

impl<'a> Encoded<'a> {
    pub(crate) fn new(serializers: &'a Serializers, json: &'a ByteString) -> Self {
        Self { serializers, json, group: None, others: Vec::new() }
    }

    /// The same message, for a group.
    pub(crate) fn for_group(mut self, group: Option<&'a str>) -> Self {
        self.group = group;
        self
    }

    pub(crate) fn group(&self) -> Option<&'a str> {
        self.group
    }

    /// The frame in one encoding; `None` where that cannot express the message.
    pub(crate) fn frame(&mut self, serializer: u8) -> Option<Frame> {
        if serializer == 0 {
            return Some(Frame::Text(self.json.clone()));
        }
        if let Some((_, frame)) = self.others.iter().find(|(index, _)| *index == serializer) {
            return frame.clone();
        }
        let frame = encode(self.serializers, serializer, self.json);
        self.others.push((serializer, frame.clone()));
        frame
    }
}

fn encode(serializers: &Serializers, index: u8, json: &ByteString) -> Option<Frame> {
    let serializer = serializers.get(usize::from(index))?;
    serializer
        .encode(json)
        .inspect_err(|error| tracing::error!(%error, serializer = serializer.name(), "a message cannot be encoded"))
        .ok()
}
