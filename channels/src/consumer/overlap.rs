//! What the macro says of handlers with `concurrency`, and how a consumer is shared by them.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::Error;
use crate::extract::{Context, OnError};
use crate::message::ReplySink;

/// How a message's handler may run beside others.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Which of the consumer's overlapping handlers it is.
    pub(super) index: u16,
    /// How many of it run at once.
    pub(super) most: u16,
    /// Those with the same one run in order.
    pub(super) order: Option<u64>,
}

impl Overlap {
    /// What `concurrency` and `ordered_by` say of one message.
    pub const fn new(index: u16, most: u16, order: Option<u64>) -> Self {
        Self { index, most, order }
    }
}

/// A consumer as handlers share it: those with `concurrency`, and who answers their errors meanwhile.
#[doc(hidden)]
pub trait Overlapping<S, M>: Sync {
    /// One message that overlaps.
    fn message<'a>(
        &'a self,
        cx: &'a Context<'_, S>,
        replies: &'a mut dyn ReplySink<M>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// As [`Consumer::failed`](super::Consumer::failed).
    fn failed<'a>(
        &'a self,
        error: Error,
        cx: &'a Context<'_, S, OnError>,
        replies: &'a mut dyn ReplySink<M>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let _ = (cx, replies);
        async { Err(error) }.boxed()
    }
}

/// What messages are ordered by: anything that can be hashed.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "messages cannot be ordered by `{Self}`",
    label = "does not implement `Hash`",
    note = "`ordered_by = \"…\"` names a member of the payload that says which messages belong together, such as a name or a number"
)]
pub trait Order {
    /// Equal values have equal ones. Of two others that do, one waits for the other, and that is all.
    fn order(&self) -> u64;
}

#[diagnostic::do_not_recommend]
impl<T: Hash + ?Sized> Order for T {
    fn order(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// The error for a message that got to the shared consumer and has no handler there.
#[doc(hidden)]
pub fn not_overlapping(name: &str) -> Error {
    Error::internal(format!(
        "a middleware made {name:?} of a message whose handler overlaps; the handler of {name:?} runs alone"
    ))
}
