//! Whether what was heard waits for what is about to come, so that both are written to the members together.
//!
//! To write several messages to a socket at once costs little more than to write one. From one server's memory they
//! come together; from Redis they come one by one, since who publishes waits for each answer, and while one message is
//! given out, the others of its burst are on their way. So messages for a large group wait for others, where there
//! are signs of them:
//!
//! - several came together the last time: about as long as it takes to write two of them to all members
//!   one by one, and [`AT_MOST`];
//! - something of ours was published and has no answer, so it may be heard here too: for [`A_GLANCE`].
//!
//! A message that comes alone waits for nothing, and neither does what goes to fewer than [`LARGE`] members.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::link::Hears;

/// With so many members here a group is large.
const LARGE: usize = 256;
/// What the kernel takes to write to one member, about.
const A_WRITE: Duration = Duration::from_micros(4);
/// The longest wait.
const AT_MOST: Duration = Duration::from_millis(4);
/// The wait for what may not come.
const A_GLANCE: Duration = Duration::from_millis(1);
/// So many bytes are enough to be written together.
const ENOUGH_BYTES: usize = 64 * 1024;

/// What one link knows of what is about to come.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Several were given out together the last time.
    is_crowded: bool,
    until: Option<Instant>,
}

impl Gather {
    /// Until when to wait for more than these bytes for so many members; nothing, where they are to be given out.
    pub(super) async fn until(&mut self, bytes: usize, members: usize, hears: &dyn Hears) -> Option<Instant> {
        if members < LARGE || bytes >= ENOUGH_BYTES {
            return None;
        }
        let longest = if self.is_crowded {
            (2 * A_WRITE * u32::try_from(members).unwrap_or(u32::MAX)).clamp(A_GLANCE, AT_MOST)
        } else {
            // The answer to whoever published it has come with it. They may be about to publish the next.
            yield_now().await;
            if !hears.is_publishing() {
                return None;
            }
            A_GLANCE
        };
        let now = Instant::now();
        Some(*self.until.get_or_insert(now + longest)).filter(|until| *until > now)
    }

    /// So many messages are given out now.
    pub(super) fn end(&mut self, messages: usize) {
        *self = Self { is_crowded: messages > 1, until: None };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Publishes(AtomicBool);

    impl Hears for Publishes {
        fn complete(&self) {}

        fn slots_moved(&self, _lost: usize) {}

        fn overflowed(&self, _messages: usize) {}

        fn is_publishing(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Gave so many out.
    fn after(messages: usize) -> Gather {
        let mut gather = Gather::default();
        gather.end(messages);
        gather
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_alone_waits_for_nothing() {
        assert_eq!(after(1).until(100, LARGE, &Publishes::default()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_published_here_is_waited_for_a_moment() {
        let (mut gather, ours) = (after(1), Publishes(true.into()));
        assert_eq!(gather.until(100, LARGE - 1, &ours).await, None, "what goes to few is given out");
        assert_eq!(gather.until(ENOUGH_BYTES, LARGE, &ours).await, None);
        assert_eq!(gather.until(100, LARGE, &ours).await, Some(Instant::now() + A_GLANCE));
        ours.0.store(false, Ordering::Relaxed);
        assert_eq!(gather.until(200, LARGE, &ours).await, None, "they are done");
    }

    #[tokio::test(start_paused = true)]
    async fn where_several_came_more_are_waited_for_as_long_as_two_take() {
        let (mut gather, nobody) = (after(3), Publishes::default());
        let until = gather.until(100, 300, &nobody).await.unwrap();
        assert_eq!(until, Instant::now() + 2 * A_WRITE * 300);
        tokio::time::advance(A_WRITE * 300).await;
        assert_eq!(gather.until(200, 300, &nobody).await, Some(until));
        tokio::time::advance(A_WRITE * 300).await;
        assert_eq!(gather.until(300, 300, &nobody).await, None);
        gather.end(1);
        assert_eq!(gather.until(100, 500, &nobody).await, None, "it was in vain, so the next does not wait");
        gather.end(3);
        assert_eq!(gather.until(100, 100_000, &nobody).await, Some(Instant::now() + AT_MOST));
    }
}
