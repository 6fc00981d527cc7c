//! The shape of the envelope on the wire.

/// Where a message's name and payload stand in the JSON object.
///
/// The default is `{"type": …, "data": …}`; a front end that exists already may have other names, or
/// the payload's fields beside the name (`flat`). Both are set on the enum:
/// `#[channels(tag = "event", content = "payload")]`, `#[channels(flat)]`.
///
/// In both, `id`, `metadata`, `ttl_seconds` and `priority` beside the name are the envelope's: a flat payload
/// cannot have members of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    tag: &'static str,
    content: Option<&'static str>,
}

impl Layout {
    /// `{"type": …, "data": …}`.
    pub const DEFAULT: Self = Self::nested("type", "data");

    /// The name under `tag`, the payload under `content`.
    pub const fn nested(tag: &'static str, content: &'static str) -> Self {
        Self { tag, content: Some(content) }
    }

    /// The name under `tag`, the payload's fields beside it.
    pub const fn flat(tag: &'static str) -> Self {
        Self { tag, content: None }
    }

    /// The member that holds the name.
    pub const fn tag(&self) -> &'static str {
        self.tag
    }

    /// The member that holds the payload; `None` where the layout is flat.
    pub const fn content(&self) -> Option<&'static str> {
        self.content
    }
}
