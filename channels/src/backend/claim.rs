//! Who does what must be done once, and what became of it.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

/// Asks to do something that must be done once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// What is to be done: any text.
    pub key: String,
    /// Tells this attempt from others.
    pub token: u128,
}

impl Claim {
    /// A new attempt.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), token: Uuid::now_v7().as_u128() }
    }
}

/// The answer to a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Whoever asked is to do it, and nobody else as long as the lease lasts.
    Yours,
    /// Somebody else does it now.
    Running,
    /// It is done, and this was left by whoever did it.
    Settled(Bytes),
}

/// What is left of a claim once it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is done; this is for whoever asks within the time.
    Done(Bytes, Duration),
    /// It is not: the next who asks does it.
    Abandoned,
}
