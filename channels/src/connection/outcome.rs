//! What became of a message at those that it is for.

/// Of each connection: what became of the message there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Queued,
    /// Queued, in the place of one that waited.
    Conflated,
    /// It did not fit, cannot be said in its encoding, or nothing can be written any more.
    Dropped,
    /// The connection has come to its end, though it has not left yet: it was for the others.
    Gone,
}

/// How many connections met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) queued: usize,
    pub(crate) conflated: usize,
    pub(crate) dropped: usize,
}

impl Outcome {
    pub(crate) const fn queued(members: usize) -> Self {
        Self { queued: members, conflated: 0, dropped: 0 }
    }

    /// How many took it.
    pub(crate) fn taken(self) -> usize {
        self.queued + self.conflated
    }
}

impl FromIterator<Fate> for Outcome {
    fn from_iter<I: IntoIterator<Item = Fate>>(fates: I) -> Self {
        fates.into_iter().fold(Self::default(), |mut all, fate| {
            match fate {
                Fate::Queued => all.queued += 1,
                Fate::Conflated => all.conflated += 1,
                Fate::Dropped => all.dropped += 1,
                Fate::Gone => {}
            }
            all
        })
    }
}
