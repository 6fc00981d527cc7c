//! What compresses and inflates, kept for its next message.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// States of zlib that nobody uses just now.
///
/// No work waits for one: where none is left, another is made. As many are kept as there are CPUs,
/// since no more can be at work at once for long; so a burst leaves nothing behind.
pub(super) struct Pool<T> {
    /// Never more than [`most_idle`].
    idle: Mutex<Vec<T>>,
}

impl<T> Pool<T> {
    pub(super) const fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    /// One that was given back, as its last message left it.
    pub(super) fn take(&self) -> Option<T> {
        self.idle().pop()
    }

    /// Keeps it, or drops it where enough are kept; a parameter is dropped after the lock.
    pub(super) fn give_back(&self, state: T) {
        let mut idle = self.idle();
        if idle.len() < most_idle() {
            idle.push(state);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<T>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The CPUs that this process may use, asked once: on Linux the answer takes reads of files.
fn most_idle() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_there_are_cpus() {
        let pool = Pool::new();
        assert_eq!(pool.take(), None);
        for state in 0..most_idle() + 10 {
            pool.give_back(state);
        }
        let kept: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(kept.len(), most_idle());
    }
}
